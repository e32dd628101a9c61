/**
 * A recipe that came with the link (or was dropped before its model): what it merges, which model it is for, and the
 * yes that it waits for. All of it is a stranger's text, and is shown as text.
 */
import { useStudio } from '../store/react.ts';
import { Button } from './button.tsx';
import { FileHashes } from './file-hashes.tsx';

export function AskingRecipeCard() {
  const asking = useStudio(({ recipe }) => recipe.asking);
  const open = useStudio(({ model }) => model !== null);
  const busy = useStudio(({ job }) => job !== null);
  const apply = useStudio((state) => state.applyRecipe);
  const forget = useStudio((state) => state.forgetRecipe);
  if (!asking) return null;
  return (
    <section className="again panel" aria-label="Recipe to apply">
      <p className="again-lead">
        {asking.from === 'link' ? 'This link holds a recipe' : 'This file is a recipe'}: it merges{' '}
        {asking.what}, in this model:
      </p>
      <FileHashes files={asking.files} />
      <div className="again-row">
        <Button
          kind={open ? 'main' : 'plain'}
          disabled={busy || !open}
          describedBy="recipe-why"
          onClick={() => void apply()}
        >
          Apply the recipe
        </Button>
        <Button kind="quiet" label="Dismiss the recipe" onClick={forget}>
          Dismiss
        </Button>
        <p className="note" id="recipe-why">
          {open
            ? 'The open model is checked by its hash before anything is merged.'
            : 'Open that model first: no model comes with a recipe.'}
        </p>
      </div>
    </section>
  );
}
