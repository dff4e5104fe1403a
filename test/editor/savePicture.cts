import { writeFile } from 'node:fs/promises';
import { relative } from 'node:path';
import sharp from 'sharp';

/** A README that shows ten of them should still open at once. */
const MAX_BYTES = 150_000;

const COLOUR_COUNTS = [256, 128, 64, 32];

/** Writes a screenshot as a PNG with as many colours as fit into 150 kB. Returns a line about it. */
export async function savePicture(file: string, screenshot: Buffer): Promise<string> {
	for (const colours of COLOUR_COUNTS) {
		const { data, info } = await sharp(screenshot)
			.png({ palette: true, colours, effort: 10, compressionLevel: 9, dither: 0.5 })
			.toBuffer({ resolveWithObject: true });
		if (data.length > MAX_BYTES) continue;
		await writeFile(file, data);
		const size = `${info.width} x ${info.height}, ${colours} colours, ${Math.round(data.length / 1000)} kB`;
		return `${relative(process.cwd(), file)}: ${size}`;
	}
	throw new Error(`${file} would be larger than ${MAX_BYTES / 1000} kB`);
}
