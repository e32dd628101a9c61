/**
 * What the build tells the service worker: every file of the site by the hash of its contents, and the headers that
 * a bare host does not send. Written into the worker by e2e/offline-plugin.ts.
 *
 * A file's part says when it is kept. `page`: before the worker takes over, so that the page opens without a network.
 * `cpu` and `gpu`: the runtime for either, tens of megabytes, once the page is idle and knows which one runs here.
 * `sample`: once somebody has opened it.
 */
export type Part = 'page' | 'cpu' | 'gpu' | 'sample';

export interface SiteFile {
  /** From the folder of the page, without a leading slash. */
  readonly path: string;
  /** Of the contents: another hash is another file. */
  readonly hash: string;
  readonly part: Part;
}

export interface OfflinePlan {
  readonly files: readonly SiteFile[];
  /** Given to every answer: isolation, which threads need, and the policy that keeps all data here. */
  readonly headers: Readonly<Record<string, string>>;
}

/** From the page to the service worker. */
export type ToServiceWorker =
  /** From a page of the worker's own version: keep these parts as well, where they are not yet. */
  | { readonly type: 'keep'; readonly parts: readonly Part[] }
  /** From a page that has just loaded, to the version that waits: take over if no other page is open. */
  | { readonly type: 'take-over' };

/** From the service worker to the page that asked: this browser has no room for what was to be kept. */
export type FromServiceWorker = { readonly type: 'no-room' };
