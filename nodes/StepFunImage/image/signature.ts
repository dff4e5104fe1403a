import type { ImageFormat } from '../catalogue/imageFormats';

/** Enough to recognize every format. HEIF and AVIF have a list of brands. */
export const SIGNATURE_BYTES = 64;

/**
 * The lengths of a BMP's second header, for all versions of Windows and OS/2. The two letters before may start any
 * text.
 */
const BMP_HEADER_BYTES = new Set([12, 16, 40, 52, 56, 64, 108, 124]);

const AVIF_BRANDS = new Set(['avif', 'avis']);
/** Brands of still images and image sequences. Videos start in the same way, but with other brands. */
const HEIF_BRANDS = new Set(
	'heic heix heim heis hevc hevx hevm hevs mif1 mif2 mif3 msf1 miaf'.split(' '),
);

/** Whether a file starts like a format; the first match counts. */
const SIGNATURES: Array<[ImageFormat, (header: Buffer) => boolean]> = [
	['png', (header) => text(header, 0, 8) === '\x89PNG\r\n\x1a\n'],
	['jpg', (header) => text(header, 0, 3) === '\xff\xd8\xff'],
	['webp', (header) => text(header, 0, 4) === 'RIFF' && text(header, 8, 12) === 'WEBP'],
	['gif', (header) => ['GIF87a', 'GIF89a'].includes(text(header, 0, 6))],
	// TIFF and BigTIFF, in either byte order.
	['tiff', (header) => ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(text(header, 0, 4))],
	[
		'bmp',
		(header) =>
			text(header, 0, 2) === 'BM' &&
			header.length >= 18 &&
			BMP_HEADER_BYTES.has(header.readUInt32LE(14)),
	],
	['avif', (header) => isoBrands(header).some((brand) => AVIF_BRANDS.has(brand))],
	['heif', (header) => isoBrands(header).some((brand) => HEIF_BRANDS.has(brand))],
];

/**
 * The format of an image.
 *
 * @param header the file's first `SIGNATURE_BYTES`, or the whole file if it is shorter
 * @returns `undefined` if this is not a raster image, such as SVG and icons
 */
export function formatOf(header: Buffer): ImageFormat | undefined {
	return SIGNATURES.find(([, matches]) => matches(header))?.[0];
}

/** The brands in the header of a HEIF or AVIF file: its main brand, then the compatible ones. */
function isoBrands(header: Buffer): string[] {
	if (text(header, 4, 8) !== 'ftyp') return [];
	const end = Math.min(header.readUInt32BE(0), header.length, SIGNATURE_BYTES);
	const brands = [text(header, 8, 12)];
	for (let position = 16; position + 4 <= end; position += 4) {
		brands.push(text(header, position, position + 4));
	}
	return brands;
}

function text(header: Buffer, start: number, end: number): string {
	return header.toString('latin1', start, end);
}
