/** An ordinary file input that looks like a button: the input is its child, laid over it unseen. */
import type { ReactNode } from 'react';

interface FileButtonProps {
  readonly action: string;
  readonly children: ReactNode;
}

export function FileButton({ action, children }: FileButtonProps) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is the child.
    <label className="button button-plain file-button">
      <span aria-hidden="true">{action}</span>
      {children}
    </label>
  );
}
