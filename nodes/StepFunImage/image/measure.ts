import { imageSize } from 'image-size';

import { IMAGE_FORMATS, type ImageFormat } from '../catalogue/imageFormats';

/** What an image's header tells. */
export interface MeasuredImage {
	format: ImageFormat;
	/** In pixels, as stored; a rotation noted in the metadata is not applied. */
	width: number;
	height: number;
}

/** Cameras put previews and colour profiles before the size; beyond this it is not a usable image. */
export const MAX_HEADER_BYTES = 1024 * 1024;

/** A HEIF file's size stands within its first boxes. */
const MAX_HEIF_BYTES = 64 * 1024;

/** The box that holds a size in HEIF. A photo has one, its parts and previews a few more. */
const HEIF_SIZE_BOX = 'ispe';
const MAX_HEIF_SIZES = 16;

/**
 * Reads an image's format and size from its beginning, without decoding it.
 *
 * @param header the first bytes of the file; no more than `MAX_HEADER_BYTES` are looked at
 * @returns `undefined` when this is no raster image (SVG and icons are none), or not enough of it
 */
export function measureImage(header: Uint8Array): MeasuredImage | undefined {
	const wanted = header.subarray(0, mostHeaderBytes(header));
	// A file may be made so that image-size takes minutes over it, for all of which n8n would stand
	// still. It gets no format that is not wanted, and no more of a file than a size can need.
	if (!mayBeRaster(wanted) || countOf(HEIF_SIZE_BOX, wanted) > MAX_HEIF_SIZES) return undefined;
	try {
		// image-size goes through JPEG and TIFF by slices. Those of a Uint8Array are copies, those of
		// a Buffer are not. It also reads past the end of a view, so the Buffer has memory of its own.
		const { type, width, height } = imageSize(Buffer.from(new Uint8Array(wanted).buffer));
		const format = type === 'heic' ? 'heif' : type;
		return format !== undefined && format in IMAGE_FORMATS
			? { format: format as ImageFormat, width, height }
			: undefined;
	} catch {
		return undefined;
	}
}

/**
 * Whether more of a file that could not be measured may tell its size: in some formats it stands far behind
 * the beginning.
 *
 * @param header the first bytes of the file, at least 12
 */
export function sizeMayFollow(header: Uint8Array): boolean {
	const begin = latin1(header, 0, 2);
	return (
		(['\xff\xd8', 'II', 'MM'].includes(begin) || isIsoMedia(header)) &&
		header.length < mostHeaderBytes(header)
	);
}

function mostHeaderBytes(header: Uint8Array): number {
	return isIsoMedia(header) ? MAX_HEIF_BYTES : MAX_HEADER_BYTES;
}

/** Whether a file begins as one of the formats does. */
function mayBeRaster(header: Uint8Array): boolean {
	const begin = latin1(header, 0, 4);
	return (
		['\x89PNG', 'GIF8', 'II*\0', 'MM\0*'].includes(begin) ||
		begin.startsWith('\xff\xd8') ||
		begin.startsWith('BM') ||
		(begin === 'RIFF' && latin1(header, 8, 12) === 'WEBP') ||
		isIsoMedia(header)
	);
}

/** Whether this is a file of the family of HEIF and AVIF. */
function isIsoMedia(header: Uint8Array): boolean {
	return latin1(header, 4, 8) === 'ftyp';
}

function countOf(text: string, header: Uint8Array): number {
	return isIsoMedia(header) ? latin1(header, 0, header.length).split(text).length - 1 : 0;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
	return Buffer.from(bytes.subarray(start, end)).toString('latin1');
}
