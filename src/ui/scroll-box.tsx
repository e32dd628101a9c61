/**
 * A box of one height for a table that grows: nothing under it moves. Low until its step is first at work, so that what
 * is not there yet takes no room; it grows with the press that starts the work. Reachable by keyboard where it scrolls.
 */
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { useStudio } from '../store/react.ts';
import type { Step } from '../store/types.ts';

export interface ScrollBoxProps {
  readonly label: string;
  /** Whose work fills it. */
  readonly step: Step;
  /** Something is in it. */
  readonly filled: boolean;
  /** Height, in rows of a table. */
  readonly rows: number;
  readonly children: ReactNode;
}

export function ScrollBox({ label, step, filled, rows, children }: ScrollBoxProps) {
  const box = useRef<HTMLElement>(null);
  const [scrolls, setScrolls] = useState(false);
  const atWork = useStudio(({ job }) => job?.step === step);
  const [grown, setGrown] = useState(filled);
  if (!grown && (atWork || filled)) setGrown(true);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let asked = 0;
    const measure = () => {
      asked = 0;
      const wide = element.scrollWidth > element.clientWidth + 1;
      setScrolls(wide || element.scrollHeight > element.clientHeight + 1);
    };
    // Once a frame: measuring makes the browser lay the table out.
    const look = () => {
      asked ||= requestAnimationFrame(measure);
    };
    const size = new ResizeObserver(look);
    const content = new MutationObserver(look);
    size.observe(element);
    content.observe(element, { childList: true, subtree: true });
    return () => {
      size.disconnect();
      content.disconnect();
      cancelAnimationFrame(asked);
    };
  }, []);
  return (
    <section
      ref={box}
      className={grown ? 'scroll-box' : 'scroll-box scroll-low'}
      style={{ ['--rows' as string]: rows }}
      tabIndex={scrolls ? 0 : undefined}
      aria-label={scrolls ? `${label}, scrolls` : undefined}
    >
      {children}
    </section>
  );
}
