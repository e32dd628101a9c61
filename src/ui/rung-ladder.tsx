/** The ladder from free to costly: what each rung does, what it adds to the file, and, after a run, whether it helped. */
import { useId } from 'react';
import { useStudio } from '../store/react.ts';
import { inLadderOrder, wasKept } from '../store/recovered.ts';
import type { RungId } from '../store/types.ts';
import { Icon } from './icons.tsx';
import { LADDER, type RungWords } from './words.ts';

export function RungLadder() {
  const best = useStudio(({ recover }) => recover.choice.mode === 'best');
  return (
    <div className="ladder">
      <div className="ladder-head">
        <h3>The ladder</h3>
        <p className="note">
          {best ? 'All rungs but R5 and tuning are tried.' : 'The ticked rungs are tried.'}
        </p>
      </div>
      {LADDER.map(({ cost, rungs }) => (
        <fieldset key={cost} className="ladder-cost">
          <legend>{cost}</legend>
          <ul className="rungs">
            {rungs.map((rung) => (
              <Rung key={rung.id} rung={rung} best={best} />
            ))}
          </ul>
        </fieldset>
      ))}
    </div>
  );
}

function Rung({ rung: { id, name, about, adds, notInBest }, best }: { rung: RungWords; best: boolean }) {
  const ticked = useStudio(({ recover }) => recover.choice.rungs.includes(id));
  const toggle = useToggle(id);
  const described = useId();
  return (
    <li className="rung">
      <label className="rung-name">
        <input
          type="checkbox"
          className="rung-tick"
          checked={best ? !notInBest : ticked}
          disabled={best}
          onChange={toggle}
          aria-describedby={described}
        />
        <span>
          {name} <span className="rung-id">{id.startsWith('R') ? id : ''}</span>
        </span>
      </label>
      <RungState id={id} />
      <p className="rung-about" id={described}>
        {about} <span className="rung-adds">Adds {adds}.</span>
      </p>
    </li>
  );
}

function useToggle(id: RungId): () => void {
  const rungs = useStudio(({ recover }) => recover.choice.rungs);
  const chooseRecovery = useStudio((state) => state.chooseRecovery);
  return () =>
    chooseRecovery({
      rungs: rungs.includes(id) ? rungs.filter((rung) => rung !== id) : inLadderOrder([...rungs, id]),
    });
}

/** What the run that is shown has found of it. */
function RungState({ id }: { id: RungId }) {
  const kept = useStudio(({ recover }) => wasKept(recover.run, id));
  if (kept === null) return <span className="rung-state" />;
  return kept ? (
    <span className="rung-state rung-kept">
      <Icon name="check" />
      Kept
    </span>
  ) : (
    <span className="rung-state">No gain</span>
  );
}
