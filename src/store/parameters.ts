/** What the page's address asks for: `?gpu=auto|force|off`, `?save=download`. */
import type { GpuPreference } from './types.ts';

export function parameters(search: string = location.search): {
  gpu: GpuPreference;
  save: 'picker' | 'download';
} {
  const query = new URLSearchParams(search);
  const gpu = query.get('gpu');
  return {
    gpu: gpu === 'force' || gpu === 'off' ? gpu : 'auto',
    save: query.get('save') === 'download' ? 'download' : 'picker',
  };
}
