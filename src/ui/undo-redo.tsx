/** Undo and redo of picks, merges and recovery: two buttons, and the keys that everybody knows. */
import { useEffect } from 'react';
import { useStudio } from '../store/react.ts';
import { Button } from './button.tsx';
import { Icon } from './icons.tsx';

/** Where the keys are the field's own. */
const FIELDS = 'input:not([type=radio], [type=checkbox], [type=file]), textarea, select, [contenteditable]';

export function UndoRedo() {
  const hasModel = useStudio(({ model }) => model !== null);
  const past = useStudio(({ history }) => history.past.length > 0);
  const future = useStudio(({ history }) => history.future.length > 0);
  const undo = useStudio((state) => state.undo);
  const redo = useStudio((state) => state.redo);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { key, ctrlKey, metaKey, altKey, shiftKey, target } = event;
      if (!(ctrlKey || metaKey) || altKey || (target instanceof Element && target.closest(FIELDS))) return;
      const again = key.toLowerCase() === 'y' || (key.toLowerCase() === 'z' && shiftKey);
      if (!again && key.toLowerCase() !== 'z') return;
      event.preventDefault();
      if (again) redo();
      else undo();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [undo, redo]);
  if (!hasModel) return null;
  return (
    <div className="job-running-tools">
      <Button kind="icon" label="Undo" disabled={!past} onClick={undo}>
        <Icon name="undo" />
      </Button>
      <Button kind="icon" label="Redo" disabled={!future} onClick={redo}>
        <Icon name="redo" />
      </Button>
    </div>
  );
}
