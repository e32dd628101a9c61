/** Files to be asked for: name, size, and the beginning of the hash that tells the same contents. */
import { formatBytes } from '../store/format.ts';
import type { WasOpen } from '../store/types.ts';

const SHOWN = 4;

export function FileHashes({ files }: { files: WasOpen['files'] }) {
  const more = files.length - SHOWN;
  return (
    <ul className="again-files" aria-label="Files it is for">
      {files.slice(0, SHOWN).map(({ name, bytes, sha256 }) => (
        <li key={sha256}>
          <code className="code">{name}</code>
          <span className="muted"> · {formatBytes(bytes)} · SHA-256 </span>
          <code className="code" title={sha256}>
            {sha256.slice(0, 12)}…
          </code>
        </li>
      ))}
      {more > 0 && <li className="muted">and {more} more</li>}
    </ul>
  );
}
