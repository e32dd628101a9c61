/**
 * A place to drop files and folders, with two ordinary inputs in it, one for files and one for a folder: the same
 * files either way. Browsers that cannot pick folders show only the first.
 */
import type { ChangeEvent, ReactNode } from 'react';
import { useDropzone } from 'react-dropzone';
import { FileButton } from './file-button.tsx';
import { Icon } from './icons.tsx';

export interface DropZoneProps {
  /** What the files are for: the inputs are named `Model files` and `Model folder`. */
  readonly label: string;
  readonly children: ReactNode;
  /** A line under the buttons. */
  readonly foot?: string;
  readonly compact?: boolean;
  readonly disabled?: boolean;
  readonly onFiles: (files: File[]) => void;
}

const PICKS_FOLDERS = 'webkitdirectory' in HTMLInputElement.prototype;

export function DropZone({ label, children, foot, compact, disabled, onFiles }: DropZoneProps) {
  const { getRootProps, getInputProps, isDragActive, inputRef } = useDropzone({
    multiple: true,
    noClick: true,
    noKeyboard: true,
    disabled,
    onDrop: (accepted, rejected) => {
      // A browser tells of no change where the same files are chosen again, as one does when a model is to be reopened.
      if (inputRef.current) inputRef.current.value = '';
      onFiles([...accepted, ...rejected.map(({ file }) => file)]);
    },
  });
  const shape = `drop-zone${compact ? ' drop-compact' : ''}${isDragActive ? ' drop-active' : ''}`;
  return (
    <div {...getRootProps({ className: shape, role: undefined, tabIndex: undefined })}>
      {!compact && <Icon name="file" />}
      <div className="drop-text">{children}</div>
      <div className="drop-buttons">
        <FileButton action={compact ? 'Files' : 'Choose files'}>
          <input
            {...getInputProps({
              'aria-label': `${label} files`,
              'aria-disabled': disabled || undefined,
              className: 'file-input',
              tabIndex: 0,
              style: undefined,
            })}
          />
        </FileButton>
        {PICKS_FOLDERS && (
          <FileButton action={compact ? 'Folder' : 'Choose a folder'}>
            <FolderInput label={`${label} folder`} disabled={disabled} onFiles={onFiles} />
          </FileButton>
        )}
      </div>
      {foot && <p className="note wide-only">{foot}</p>}
    </div>
  );
}

type FolderInputProps = Pick<DropZoneProps, 'label' | 'disabled' | 'onFiles'>;

function FolderInput({ label, disabled, onFiles }: FolderInputProps) {
  const onChange = ({ currentTarget }: ChangeEvent<HTMLInputElement>) => {
    const files = [...(currentTarget.files ?? [])];
    // The same folder may be picked again, after something was put into it.
    currentTarget.value = '';
    onFiles(files);
  };
  // Not among React's types; every browser that picks folders knows it by this name.
  const directory = { webkitdirectory: '' };
  return (
    <input
      type="file"
      className="file-input"
      aria-label={label}
      disabled={disabled}
      onChange={onChange}
      {...directory}
    />
  );
}
