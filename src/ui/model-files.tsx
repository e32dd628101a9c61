/** The files that a model was opened from, where they are more than one. */
import { formatBytes } from '../store/format.ts';
import { isSeveralFiles } from '../store/formats.ts';
import type { FileSummary, ModelSummary } from '../store/types.ts';

const ROLES: Record<FileSummary['role'], string> = {
  model: 'Model',
  encoder: 'Encoder',
  decoder: 'Decoder',
  'decoder-with-past': 'Decoder with a cache',
};

/** Data files that are named; the rest are counted. */
const NAMED = 2;

export function ModelFiles({ model }: { model: ModelSummary }) {
  if (!isSeveralFiles(model)) return null;
  return (
    <ul className="model-files" aria-label="Opened files">
      {model.files.map((file) => (
        <li key={file.name}>
          <code className="code model-file-name">{file.name}</code>
          <span className="model-file-role">{ROLES[file.role]}</span>
          <data className="model-file-size" value={String(Math.round(file.bytes))}>
            {formatBytes(file.bytes)}
          </data>
          <DataFiles names={file.dataFiles} />
        </li>
      ))}
    </ul>
  );
}

function DataFiles({ names }: { names: readonly string[] }) {
  if (names.length === 0) return null;
  const rest = names.length - NAMED;
  return (
    <span className="model-file-data">
      weights in{' '}
      {names.slice(0, NAMED).map((name, index) => (
        <span key={name}>
          {index > 0 && ', '}
          <code className="code">{name}</code>
        </span>
      ))}
      {rest > 0 && ` and ${rest} more ${rest === 1 ? 'file' : 'files'}`}
    </span>
  );
}
