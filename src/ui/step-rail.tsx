/** The way through the page at a glance: the steps, which are done, which is next. */
import { useStudio } from '../store/react.ts';
import { doneSteps, nextStep, STEPS } from '../store/steps.ts';
import type { Step } from '../store/types.ts';
import { Icon } from './icons.tsx';

export function StepRail() {
  const done = useStudio(doneSteps);
  const running = useStudio(({ job }) => job?.step);
  const open = useStudio(({ model }) => model !== null);
  const mergeable = useStudio(({ model }) => (model?.groups.length ?? 0) > 0);
  // Of a model without anything to merge there is only the file.
  const there = (id: Step) => id === 'open' || (open && (mergeable || id === 'download'));
  const next = running ?? (open && !mergeable ? 'download' : nextStep(done));
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
              {there(id) ? <a href={`#${id}`}>{content}</a> : <span>{content}</span>}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}
