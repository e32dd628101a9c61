/**
 * The files that the service worker keeps, in one cache, each under its path and the hash of its contents. Versions
 * of the page share what did not change; what no longer belongs to the version goes when none of the old is open.
 *
 * Why not a library: the usual one keeps everything when it is installed, and here that would be 60 MB; and no answer
 * may leave without the headers of the plan.
 */
import type { OfflinePlan, Part, SiteFile } from './plan.ts';

/** What the shelf is made of; tests give their own. */
export interface ShelfTools {
  /** Address of the page's folder, with a slash at its end. */
  readonly scope: string;
  readonly cache: () => Promise<Pick<Cache, 'match' | 'put' | 'keys' | 'delete'>>;
  readonly fetch: (request: Request) => Promise<Response>;
}

export interface Shelf {
  /**
   * Fetches what of these parts is not kept yet.
   * @returns false where the browser has no room for all of it
   * @throws TypeError where the network or a file is missing
   */
  keep(parts: readonly Part[]): Promise<boolean>;
  /** Drops what is not of this version. */
  clean(): Promise<void>;
  /** The kept file, else the network's; with the plan's headers. @throws TypeError where neither has it */
  answer(request: Request): Promise<Response>;
}

/** What the folder itself is answered with. Queries are left out of it: they are the page's settings. */
const pagePath = 'index.html';

/** A cache that does not open (no room, or storage forbidden) holds nothing: the network still has it all. */
const kept = (find: () => Promise<Response | undefined>) => find().catch(() => undefined);

export function createShelf({ files, headers }: OfflinePlan, { scope, cache, fetch }: ShelfTools): Shelf {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const addressOf = ({ path }: SiteFile) => new URL(path, scope).href;
  const keyOf = (file: SiteFile) => `${addressOf(file)}?kept=${file.hash}`;
  /** What a host's Vary says does not matter: one file is one file. */
  const match = (file: SiteFile) =>
    kept(async () => (await cache()).match(keyOf(file), { ignoreVary: true }));

  /** A response is kept whole or not at all: what a host says in place of a file is not the file. */
  const put = async (file: SiteFile, response: Response): Promise<void> => {
    if (response.status !== 200) throw new TypeError(`${file.path} was answered with ${response.status}.`);
    await (await cache()).put(keyOf(file), response);
  };

  const find = (url: string): SiteFile | undefined => {
    const { origin, pathname } = new URL(url);
    const address = origin + pathname;
    if (!address.startsWith(scope)) return undefined;
    return byPath.get(decodeURI(address.slice(scope.length)) || pagePath);
  };

  const withHeaders = (response: Response): Response => {
    // Of another origin or an error: it cannot be read, so not written anew.
    if (response.status === 0 || response.type === 'opaqueredirect') return response;
    const all = new Headers(response.headers);
    for (const [name, value] of Object.entries(headers)) all.set(name, value);
    const bodyless = response.status === 204 || response.status === 304;
    const { status, statusText } = response;
    return new Response(bodyless ? null : response.body, { status, statusText, headers: all });
  };

  return {
    async keep(parts) {
      const wanted = files.filter(({ part }) => parts.includes(part));
      const all = await Promise.all(
        wanted.map(async (file) => {
          if (await match(file)) return true;
          // A name may outlive its contents in the browser's own cache: the host is asked again.
          const response = await fetch(new Request(addressOf(file), { cache: 'no-cache' }));
          return put(file, response).then(
            () => true,
            (error: unknown) => {
              if (error instanceof Error && error.name === 'QuotaExceededError') return false;
              throw error;
            },
          );
        }),
      );
      return all.every(Boolean);
    },

    async clean() {
      const all = await cache();
      const current = new Set(files.map(keyOf));
      const old = (await all.keys()).filter(({ url }) => !current.has(url));
      await Promise.all(old.map((request) => all.delete(request)));
    },

    async answer(request) {
      const file = find(request.url);
      if (!file) {
        // Of the version before, for a page that still is of it.
        const old = await kept(async () =>
          (await cache()).match(request.url, { ignoreSearch: true, ignoreVary: true }),
        );
        return withHeaders(old ?? (await fetch(request)));
      }
      const found = await match(file);
      if (found) return withHeaders(found);
      const response = await fetch(request);
      // Not waited for, and no harm where the quota is used up: the file is fetched again the next time.
      if (response.status === 200) put(file, response.clone()).catch(() => undefined);
      return withHeaders(response);
    },
  };
}
