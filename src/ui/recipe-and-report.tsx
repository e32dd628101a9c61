/** Beside the file: the recipe that makes it again (as a file, as a link, from a file), and the report on it. */
import type { ChangeEvent, ReactNode } from 'react';
import { useStudio } from '../store/react.ts';
import { Button } from './button.tsx';
import { FileButton } from './file-button.tsx';

export function RecipeAndReport() {
  return (
    <div className="beside">
      <Recipe />
      <Report />
    </div>
  );
}

/** There is one only of a merge. */
function useMerged(): { readonly merged: boolean; readonly busy: boolean } {
  const merged = useStudio(({ merge }) => merge.result !== null);
  const busy = useStudio(({ job }) => job !== null);
  return { merged, busy };
}

interface PartProps {
  readonly name: string;
  /** What the buttons are described by. */
  readonly aboutId: string;
  readonly about: string;
  readonly children: ReactNode;
  /** Under the buttons. */
  readonly foot?: ReactNode;
}

function Part({ name, aboutId, about, children, foot }: PartProps) {
  return (
    <section className="beside-part panel" aria-label={name}>
      <h3>{name}</h3>
      <p className="note" id={aboutId}>
        {about}
      </p>
      <div className="beside-row">{children}</div>
      {foot}
    </section>
  );
}

function Recipe() {
  const { merged, busy } = useMerged();
  const save = useStudio((state) => state.saveRecipe);
  const share = useStudio((state) => state.shareRecipe);
  return (
    <Part
      name="Recipe"
      aboutId="recipe-about"
      about={
        merged
          ? 'What was merged and how, with the permutations: the same model gives the same file again. A link holds settings and hashes only.'
          : 'Nothing is merged, so there is none to save yet. One that was saved before can be loaded.'
      }
      foot={<ShareLink />}
    >
      <Button disabled={busy || !merged} describedBy="recipe-about" onClick={() => void save()}>
        Save recipe
      </Button>
      <Button disabled={busy || !merged} describedBy="recipe-about" onClick={() => void share()}>
        Copy share link
      </Button>
      <LoadRecipe busy={busy} />
    </Part>
  );
}

function LoadRecipe({ busy }: { busy: boolean }) {
  const load = useStudio((state) => state.loadRecipe);
  const onChange = ({ currentTarget }: ChangeEvent<HTMLInputElement>) => {
    const [file] = currentTarget.files ?? [];
    // The same file may be chosen again.
    currentTarget.value = '';
    if (file) void load(file);
  };
  return (
    <FileButton action="Load a recipe">
      <input
        type="file"
        className="file-input"
        accept=".json,application/json"
        aria-label="Recipe file"
        disabled={busy}
        onChange={onChange}
      />
    </FileButton>
  );
}

function ShareLink() {
  const link = useStudio(({ recipe, merge }) =>
    recipe.link?.of === merge.result ? recipe.link?.text : null,
  );
  if (!link) return null;
  return (
    <input
      className="share-link code"
      aria-label="Share link"
      readOnly
      value={link}
      onFocus={({ currentTarget }) => currentTarget.select()}
    />
  );
}

function Report() {
  const { merged, busy } = useMerged();
  const save = useStudio((state) => state.saveReport);
  return (
    <Part
      name="Report"
      aboutId="report-about"
      about={
        merged
          ? 'One file to cite: what was merged, scores with errors and sample sizes, figures, machine and versions, and the recipe.'
          : 'Nothing is merged to report on yet.'
      }
    >
      <Button disabled={busy || !merged} describedBy="report-about" onClick={() => void save('html')}>
        Save report (HTML)
      </Button>
      <Button disabled={busy || !merged} describedBy="report-about" onClick={() => void save('markdown')}>
        Save report (Markdown)
      </Button>
    </Part>
  );
}
