/** A place to drop files, with the ordinary file input in it: the same files either way. */
import type { ReactNode } from 'react';
import { useDropzone } from 'react-dropzone';
import { Icon } from './icons.tsx';

export interface DropZoneProps {
  /** The accessible name of the input. */
  readonly label: string;
  readonly action: string;
  readonly children: ReactNode;
  readonly compact?: boolean;
  readonly disabled?: boolean;
  readonly onFiles: (files: File[]) => void;
}

export function DropZone({ label, action, children, compact, disabled, onFiles }: DropZoneProps) {
  const { getRootProps, getInputProps, isDragActive } = useDropzone({
    multiple: true,
    noClick: true,
    noKeyboard: true,
    disabled,
    onDrop: (accepted, rejected) => onFiles([...accepted, ...rejected.map(({ file }) => file)]),
  });
  const shape = `drop-zone${compact ? ' drop-compact' : ''}${isDragActive ? ' drop-active' : ''}`;
  return (
    <div {...getRootProps({ className: shape, role: undefined, tabIndex: undefined })}>
      {!compact && <Icon name="file" />}
      <p className="drop-text">{children}</p>
      <label className="button button-plain file-button">
        <span aria-hidden="true">{action}</span>
        <input
          {...getInputProps({ 'aria-label': label, className: 'file-input', tabIndex: 0, style: undefined })}
        />
      </label>
    </div>
  );
}
