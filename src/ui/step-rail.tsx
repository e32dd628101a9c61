/** The way through the page at a glance: the steps, which are done, which is next. */
import { useStudio } from '../store/react.ts';
import { doneSteps, nextStep, STEPS } from '../store/steps.ts';
import { Icon } from './icons.tsx';

export function StepRail() {
  const done = useStudio(doneSteps);
  const running = useStudio(({ job }) => job?.step);
  const open = useStudio(({ model }) => model !== null);
  const next = running ?? nextStep(done);
  return (
    <nav className="step-rail" aria-label="Steps">
      <ol>
        {STEPS.map(({ id, name, mark, optional }) => {
          const isDone = done.split(' ').includes(id);
          const state = id === next ? 'now' : isDone ? 'done' : 'later';
          const content = (
            <>
              <span className="rail-dot" aria-hidden="true">
                {isDone ? <Icon name="check" /> : mark}
              </span>
              <span className="rail-name">{name}</span>
            </>
          );
          return (
            <li
              key={id}
              className={`rail-${state}${optional ? ' rail-optional' : ''}`}
              aria-current={id === next ? 'step' : undefined}
            >
              {open || id === 'open' ? <a href={`#${id}`}>{content}</a> : <span>{content}</span>}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}
