/** An SVG text as a PNG, through the browser's own renderer. */

/**
 * @param pixelRatio pixels of the PNG for each unit of the SVG
 * @throws where the browser cannot draw it, in a sentence
 */
export async function rasterise(svg: string, pixelRatio = 2): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = Math.round(image.naturalWidth * pixelRatio);
    canvas.height = Math.round(image.naturalHeight * pixelRatio);
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
    if (!blob) throw new Error('empty');
    return blob;
  } catch {
    throw new Error('This browser could not draw the figure as a PNG: save it as SVG instead.');
  } finally {
    URL.revokeObjectURL(url);
  }
}
