/** The page's few drawings; always beside words or a label, so hidden from assistive technology. */
import type { ReactNode } from 'react';

const DRAWINGS = {
  mark: (
    <>
      <path d="M4 5h16" opacity=".55" />
      <path d="M4 12h11a4 4 0 0 1 0 8H4" />
    </>
  ),
  lock: (
    <>
      <rect x="5" y="11" width="14" height="9" rx="2" />
      <path d="M8 11V8a4 4 0 0 1 8 0v3" />
    </>
  ),
  sun: (
    <>
      <circle cx="12" cy="12" r="4" />
      <path d="M12 3v2m0 14v2M3 12h2m14 0h2M5.6 5.6 7 7m10 10 1.4 1.4m0-12.8L17 7M7 17l-1.4 1.4" />
    </>
  ),
  moon: <path d="M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10Z" />,
  file: (
    <>
      <path d="M13 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V9Z" />
      <path d="M13 3v6h6" />
    </>
  ),
  close: <path d="m6 6 12 12M18 6 6 18" />,
  check: <path d="m5 12.5 4.5 4.5L19 7.5" />,
  alert: (
    <>
      <path d="M12 4 2.8 20h18.4Z" />
      <path d="M12 10v4.5m0 2.6v.2" />
    </>
  ),
  save: <path d="M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 20h14" />,
  arrow: <path d="M5 12h14m-5-5 5 5-5 5" />,
  undo: <path d="M8 4 4 8l4 4M4.5 8H14a5.5 5.5 0 0 1 0 11H8" />,
  redo: <path d="m16 4 4 4-4 4m3.5-4H10a5.5 5.5 0 0 0 0 11h6" />,
} as const satisfies Record<string, ReactNode>;

export type IconName = keyof typeof DRAWINGS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {DRAWINGS[name]}
    </svg>
  );
}
