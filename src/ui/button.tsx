/**
 * The page's button. When it cannot act it stays focusable (`aria-disabled`), so that the keyboard does not lose its
 * place when a job starts, and it says why on request.
 */
import type { ReactNode } from 'react';

export interface ButtonProps {
  readonly children: ReactNode;
  readonly onClick: () => void;
  readonly kind?: 'primary' | 'main' | 'plain' | 'quiet' | 'icon' | 'row';
  /** The accessible name, where the content is not it. */
  readonly label?: string;
  readonly disabled?: boolean;
  readonly pressed?: boolean;
  readonly describedBy?: string;
  /** Where the focus may be brought back to it. */
  readonly id?: string;
}

export function Button({
  children,
  onClick,
  kind = 'plain',
  label,
  disabled,
  pressed,
  describedBy,
  id,
}: ButtonProps) {
  return (
    <button
      type="button"
      id={id}
      className={`button button-${kind}`}
      aria-label={label}
      title={kind === 'icon' ? label : undefined}
      aria-disabled={disabled || undefined}
      aria-pressed={pressed}
      aria-describedby={describedBy}
      onClick={() => {
        if (!disabled) onClick();
      }}
    >
      {children}
    </button>
  );
}
