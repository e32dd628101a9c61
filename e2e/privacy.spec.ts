/** The policy that keeps everything on the machine. That the main job asks no other origin is in slice.spec.ts. */
import { expect, test } from '@playwright/test';
import { launchStudio } from './studio.ts';

/** Directive → sources. */
function parsePolicy(policy: string): Map<string, string[]> {
  return new Map(
    policy.split(';').map((directive) => {
      const [name, ...sources] = directive.trim().split(/\s+/);
      return [name, sources];
    }),
  );
}

test('the built page has a strict policy, in its headers and in itself', async () => {
  const studio = await launchStudio();
  try {
    const { page } = studio;
    const response = await page.request.get(page.url());
    const inPage = await page
      .locator('meta[http-equiv="Content-Security-Policy"]')
      .getAttribute('content', { timeout: 5_000 });
    for (const policy of [response.headers()['content-security-policy'], inPage ?? '']) {
      const directives = parsePolicy(policy);
      expect(directives.get('default-src')).toEqual(["'self'"]);
      expect(directives.get('script-src')).toEqual(["'self'", "'wasm-unsafe-eval'"]);
      expect(directives.get('connect-src')).toEqual(["'self'", 'blob:']);
      expect(directives.get('object-src')).toEqual(["'none'"]);
      expect(policy).not.toMatch(/\*|'unsafe-inline'|'unsafe-eval'|https?:/);
    }
    const blocked = await page.evaluate(async () => {
      const request = fetch('https://example.org/', { mode: 'no-cors' });
      return request.then(
        () => 'the request went out',
        (error: Error) => error.name,
      );
    });
    expect(blocked).toBe('TypeError');
    expect(studio.requestOrigins).toEqual(new Set([studio.origin]));
  } finally {
    await studio.close();
  }
});

test('the page works under a sub-path', async () => {
  const studio = await launchStudio({ base: '/some/where/' });
  try {
    await studio.openSample('digits-vit');
    expect((await studio.summary()).groups).toHaveLength(1);
    expect(await studio.page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(studio.consoleErrors).toEqual([]);
  } finally {
    await studio.close();
  }
});
