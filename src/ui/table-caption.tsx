/** What a ranked table shows, in view and whole however far a wide table is scrolled sideways. */
import type { ReactNode } from 'react';

export function TableCaption({ id, children }: { readonly id?: string; readonly children: ReactNode }) {
  return (
    <caption className="note" id={id}>
      <span className="caption-text">{children}</span>
    </caption>
  );
}
