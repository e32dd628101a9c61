/** A box that a wide table scrolls in; reachable from the keyboard while there is something to scroll. */
import { type ReactNode, useEffect, useRef, useState } from 'react';

export function TableScroll({ label, children }: { label: string; children: ReactNode }) {
  const box = useRef<HTMLElement>(null);
  const [scrolls, setScrolls] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setScrolls(element.scrollWidth > element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return (
    <section
      ref={box}
      className="table-scroll"
      tabIndex={scrolls ? 0 : undefined}
      aria-label={scrolls ? `${label}, scrolls sideways` : undefined}
    >
      {children}
    </section>
  );
}
