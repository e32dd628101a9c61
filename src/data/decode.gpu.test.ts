/** The browser's decoder: levels as they are stored, straight opacity, and formats that are not decoded here. */
import { encode } from 'fast-png';
import { expect, test } from 'vitest';
import { browserDecoder, decodePng, formatOf } from './decode.ts';

const [width, height] = [16, 8];
const decode = browserDecoder()!;

test('a picture decoded by the browser has the levels of the file', async () => {
  const data = Uint8Array.from({ length: width * height * 4 }, (_, k) =>
    k % 4 === 3 ? 255 : (k * 37) % 256,
  );
  const png = Uint8Array.from(encode({ width, height, channels: 4, data }));
  expect(await decode(png, 'image/png')).toEqual({ width, height, channels: 4, data });
  expect(decodePng(png, 'x.png').data).toEqual(data);
});

test.each(['image/jpeg', 'image/webp'])('%s is told by its bytes and decoded', async (type) => {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d')!;
  context.fillStyle = 'rgb(200 100 50)';
  context.fillRect(0, 0, width, height);
  const blob = await canvas.convertToBlob({ type, quality: 1 });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  expect(formatOf(bytes)).toBe(type);
  const image = await decode(bytes, type);
  expect([image.width, image.height, image.channels]).toEqual([width, height, 4]);
  const worst = image.data.reduce((w, v, k) => Math.max(w, Math.abs(v - [200, 100, 50, 255][k % 4])), 0);
  expect(worst).toBeLessThanOrEqual(3);
});

test('bytes that are no picture are refused', async () => {
  await expect(decode(Uint8Array.of(0xff, 0xd8, 0xff, 0), 'image/jpeg')).rejects.toThrow();
});
