/** A place for the session in memory; clones as IndexedDB does, and fails when told to. */
import type { SessionPlace } from '../store/session-place.ts';

export function memoryPlace(): SessionPlace & { writes: number; failing: string | null } {
  let kept: unknown;
  return {
    writes: 0,
    failing: null,
    load: async () => structuredClone(kept),
    async save(snapshot) {
      if (this.failing !== null) throw new Error(this.failing);
      kept = structuredClone(snapshot);
      this.writes++;
    },
    async clear() {
      kept = undefined;
    },
  };
}
