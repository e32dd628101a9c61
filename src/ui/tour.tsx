/**
 * The guided tour as a card at the foot of the page. A dialog that is not modal: the page's own controls are what it is
 * about, so they stay in reach, and the focus moves only when the person asks for it.
 */
import { type KeyboardEvent, useEffect, useRef } from 'react';
import { useStudio } from '../store/react.ts';
import { TOUR, tourPlace } from '../store/tour.ts';
import { Button } from './button.tsx';
import { Icon } from './icons.tsx';
import { TOUR_BUTTON, TOUR_END, TOUR_WORDS } from './tour-words.ts';

export function Tour() {
  const running = useStudio(({ tour }) => tour.running);
  return running ? <TourCard /> : null;
}

function TourCard() {
  const place = useStudio(tourPlace) ?? 0;
  const endTour = useStudio((state) => state.endTour);
  const skipStep = useStudio((state) => state.skipTourStep);
  const busy = useStudio(({ job }) => job !== null);
  const card = useRef<HTMLElement>(null);
  const step = TOUR.at(place);
  const words = step ? TOUR_WORDS[step.id] : null;

  useEffect(() => card.current?.focus(), []);

  // The control that is waited for is ringed, wherever the page draws it.
  useEffect(() => {
    if (!words || !step || busy) return;
    const ring = () => {
      const control = controlOf(step.section, words.ring ?? words.control);
      if (control?.hasAttribute('data-tour')) return;
      for (const old of document.querySelectorAll('[data-tour]')) old.removeAttribute('data-tour');
      control?.setAttribute('data-tour', '');
    };
    ring();
    const observer = new MutationObserver(ring);
    observer.observe(document.getElementById('root') ?? document.body, { childList: true, subtree: true });
    return () => {
      observer.disconnect();
      for (const old of document.querySelectorAll('[data-tour]')) old.removeAttribute('data-tour');
    };
  }, [words, step, busy]);

  const close = () => {
    endTour();
    document.getElementById(TOUR_BUTTON)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') close();
  };
  const show = () => {
    if (!words || !step) return;
    const control = controlOf(step.section, words.control);
    control?.focus({ preventScroll: true });
    const ringed = words.ring ? controlOf(step.section, words.ring) : null;
    (ringed ?? control)?.scrollIntoView({ block: 'center' });
  };
  return (
    <section
      role="dialog"
      aria-labelledby="tour-title"
      aria-describedby="tour-text"
      className="tour"
      tabIndex={-1}
      ref={card}
      onKeyDown={onKeyDown}
    >
      <div className="tour-head">
        <h2 id="tour-title">
          {words?.title ?? TOUR_END.title}
          {words && (
            <span className="tour-count">
              <span className="hidden-text">, step </span>
              {place + 1} of {TOUR.length}
            </span>
          )}
        </h2>
        <Button kind="icon" label="End the tour" onClick={close}>
          <Icon name="close" />
        </Button>
      </div>
      <div id="tour-text" className="tour-text" aria-live="polite">
        {words ? (
          <>
            <p>{words.why}</p>
            <p className="tour-act">{words.act}</p>
          </>
        ) : (
          <p>{TOUR_END.text}</p>
        )}
      </div>
      <div className="tour-foot">
        <ol className="tour-dots" aria-hidden="true">
          {TOUR.map(({ id }, index) => (
            <li key={id} className={index < place ? 'tour-past' : index === place ? 'tour-now' : ''} />
          ))}
        </ol>
        {words ? (
          <>
            <Button kind="quiet" onClick={skipStep}>
              Skip step
            </Button>
            <Button onClick={show}>Show me</Button>
          </>
        ) : (
          <Button onClick={close}>Done</Button>
        )}
      </div>
    </section>
  );
}

function controlOf(section: string, control: string): HTMLElement | null {
  return document.getElementById(section)?.querySelector<HTMLElement>(control) ?? null;
}
