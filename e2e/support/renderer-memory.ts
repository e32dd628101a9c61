/** Resident memory of the browser's renderer processes, from /proc: Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

interface Process {
  readonly parent: number;
  readonly renderer: boolean;
  readonly residentBytes: number;
}

function readProcess(pid: string): Process | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const number = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    return {
      parent: number('PPid'),
      renderer: readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('--type=renderer'),
      residentBytes: number('VmRSS') * 1024,
    };
  } catch {
    // It ended between the listing and the reading.
    return null;
  }
}

/** Sum over the renderers that descend from this process. */
export function rendererBytes(): number {
  const processes = new Map<number, Process>();
  for (const entry of readdirSync('/proc')) {
    const found = /^\d+$/.test(entry) ? readProcess(entry) : null;
    if (found) processes.set(Number(entry), found);
  }
  const isOurs = (pid: number): boolean =>
    pid === process.pid || (processes.has(pid) && isOurs((processes.get(pid) as Process).parent));
  let sum = 0;
  for (const [pid, { renderer, residentBytes }] of processes)
    if (renderer && isOurs(pid)) sum += residentBytes;
  return sum;
}
