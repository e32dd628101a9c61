/** What the page's address asks for: `?gpu=auto|force|off`, `?save=download`, `?threads=1`. */
import type { GpuPreference } from './types.ts';

export function parameters(search: string = location.search): {
  gpu: GpuPreference;
  save: 'picker' | 'download';
  /** Threads of the wasm runtime; absent = as many as the machine has. */
  threads?: number;
} {
  const query = new URLSearchParams(search);
  const gpu = query.get('gpu');
  const threads = Number(query.get('threads'));
  return {
    gpu: gpu === 'force' || gpu === 'off' ? gpu : 'auto',
    save: query.get('save') === 'download' ? 'download' : 'picker',
    ...(Number.isInteger(threads) && threads > 0 && { threads }),
  };
}
