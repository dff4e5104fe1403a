import type { ImageFormat } from '../catalogue/imageFormats';

/** Enough to recognize every format. HEIF and AVIF have a list of brands. */
export const SIGNATURE_BYTES = 64;

/** The lengths of a BMP's second header, for all versions of Windows and OS/2. Any text may start with BM. */
const BMP_HEADER_BYTES = String.fromCharCode(12, 16, 40, 52, 56, 64, 108, 124);

/** How a file of each format starts, with a character for each byte. The first match counts. */
const SIGNATURES: Array<[ImageFormat, RegExp]> = [
	['png', /^\x89PNG\r\n\cZ\n/],
	['jpg', /^\xff\xd8\xff/],
	['webp', /^RIFF.{4}WEBP/s],
	['gif', /^GIF8[79]a/],
	// TIFF and BigTIFF, in either byte order.
	['tiff', /^(II[*+]\0|MM\0[*+])/],
	['bmp', new RegExp(`^BM.{12}[${BMP_HEADER_BYTES}]\0{3}`, 's')],
	['avif', withBrand('avif|avis')],
	// Brands of still images and image sequences. Videos start in the same way, but with other brands.
	['heif', withBrand('hei[cxms]|hev[cxms]|mif[123]|msf1|miaf')],
];

/** The header of a HEIF or AVIF file: its main brand, the version, then the compatible brands. */
function withBrand(brands: string): RegExp {
	return new RegExp(`^.{4}ftyp(.{8}(.{4})*?)?(${brands})`, 's');
}

/** The format of a file by its first `SIGNATURE_BYTES`; `undefined` if it is not a raster image, such as SVG and icons. */
export function formatOf(header: Buffer): ImageFormat | undefined {
	const text = header.toString('latin1', 0, SIGNATURE_BYTES);
	const isBox = text.startsWith('ftyp', 4);
	const start = isBox ? text.slice(0, header.readUInt32BE(0)) : text;
	return SIGNATURES.find(([, signature]) => signature.test(start))?.[0];
}
