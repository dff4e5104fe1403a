import type { ImageFormat } from '../catalogue/imageFormats';
import type { PartialFile, PartReading } from './partReader';

/** Called when a part contains the size of the image. */
type OnSize = (width: number, height: number) => void;

/** Enough to recognize every format but some SVGs. HEIF and AVIF have a list of brands. */
export const SIGNATURE_BYTES = 64;

/** In an SVG, a declaration, comments and a document type may come first. */
const PROLOG = /^(\xef\xbb\xbf)?\s*<(\?xml|!--|!doctype svg)/i;
const MAX_PROLOG_BYTES = 4 * 1024;

/** The lengths of a BMP's second header, for all versions of Windows and OS/2. Any text may start with BM. */
const BMP_HEADER_BYTES = String.fromCharCode(12, 16, 40, 52, 56, 64, 108, 124);

interface Format {
	/** How a file starts, with a character for each byte. */
	start: RegExp;
	/**
	 * Reads the parts of a file up to the end of the image. Reading also ends at an unknown part, because an image counts
	 * as complete unless something shows that it is not.
	 */
	read(file: PartialFile, onSize: OnSize): PartReading;
}

/** What is known of each format. The first one that matches counts. */
export const FORMATS: Record<ImageFormat, Format> = {
	png: { start: /^\x89PNG\r\n\cZ\n/, read: readPng },
	jpg: { start: /^\xff\xd8\xff/, read: readJpeg },
	webp: { start: /^RIFF.{4}WEBP/s, read: readWebp },
	gif: { start: /^GIF8[79]a/, read: readGif },
	// TIFF and BigTIFF, in either byte order.
	tiff: { start: /^(II[*+]\0|MM\0[*+])/, read: readTiff },
	bmp: { start: new RegExp(`^BM.{12}[${BMP_HEADER_BYTES}]\\0{3}`, 's'), read: readBmp },
	avif: { start: withBrand('avif|avis'), read: readIsoMedia },
	heif: {
		// Brands of still images and image sequences. Videos start in the same way, but with other brands.
		start: withBrand('hei[cxms]|hev[cxms]|mif[123]|msf1|miaf'),
		read: readIsoMedia,
	},
	svg: {
		start:
			/^(\xef\xbb\xbf)?\s*(<\?[^>]*>\s*|<!--((?!-->).)*-->\s*|<!doctype svg[^>[]*(\[[^\]]*\]\s*)?>\s*)*<svg[\s>]/is,
		read: readSvg,
	},
};

/** The header of a HEIF or AVIF file: its main brand, the version, then the compatible brands. */
function withBrand(brands: string): RegExp {
	return new RegExp(`^.{4}ftyp(.{8}(.{4})*?)?(${brands})`, 's');
}

/** Whether more of a file is needed to recognize its format. */
export function needsMore(header: Buffer): boolean {
	if (header.length < SIGNATURE_BYTES) return true;
	const mayBeSvg = header.length < MAX_PROLOG_BYTES && PROLOG.test(header.toString('latin1'));
	return mayBeSvg && formatOf(header) === undefined;
}

/** The format of a file by its beginning; `undefined` if it is not an image that the node accepts, such as icons. */
export function formatOf(header: Buffer): ImageFormat | undefined {
	const text = header.toString('latin1', 0, MAX_PROLOG_BYTES);
	const isBox = text.startsWith('ftyp', 4);
	// The main brand counts whatever the length of the box is.
	const start = isBox
		? text.slice(0, Math.min(SIGNATURE_BYTES, Math.max(12, header.readUInt32BE(0))))
		: text;
	const formats = Object.keys(FORMATS) as ImageFormat[];
	return formats.find((format) => FORMATS[format].start.test(start));
}

const textAt = (part: Buffer, at: number) => part.toString('latin1', at, at + 4);

const PNG_SIGNATURE_BYTES = 8;
const MAX_PNG_CHUNK_BYTES = 2 ** 31 - 1;

/** PNG specification, 5.3: chunks of length, name, data and checksum, up to IEND. */
function* readPng(file: PartialFile, onSize: OnSize): PartReading {
	file.position = PNG_SIGNATURE_BYTES;
	for (;;) {
		const chunk = file.from(yield 8);
		const length = chunk.readUInt32BE(0);
		const name = textAt(chunk, 4);
		// Decoders do not need the last checksum.
		if (name === 'IEND') return true;
		if (length > MAX_PNG_CHUNK_BYTES) return;
		if (name === 'IHDR') {
			const header = file.from(yield 16);
			onSize(header.readUInt32BE(8), header.readUInt32BE(12));
		}
		file.position += length + 12;
	}
}

const FILL = 0xff;
const END_OF_IMAGE = 0xd9;

/** The distance to the next 0xFF that is not stuffed, or that may still turn out to be stuffed. */
function toMarker(data: Buffer): number {
	let at = data.indexOf(FILL);
	while (at !== -1 && data[at + 1] === 0) at = data.indexOf(FILL, at + 2);
	return at === -1 ? data.length : at;
}

/** Markers without a length: stuffed zeros, TEM, restarts, and the start of an image. */
const isStandalone = (marker: number) => marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8);

/** SOF0 to SOF15, without DHT, JPG and DAC, which are in the same range. */
const isFrame = (marker: number) =>
	marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/** ITU-T T.81, annex B: segments with their length, scan data in which 0xFF is stuffed, and EOI at the end. */
function* readJpeg(file: PartialFile, onSize: OnSize): PartReading {
	for (;;) {
		const at = yield 2;
		const marker = file.byteAt(at + 1);
		if (file.byteAt(at) !== FILL || marker === 0) file.position += toMarker(file.from(at));
		else if (marker === FILL) file.position += 1;
		else if (marker === END_OF_IMAGE) return true;
		else if (isStandalone(marker)) file.position += 2;
		else {
			const segment = file.from(yield isFrame(marker) ? 9 : 4);
			if (isFrame(marker)) onSize(segment.readUInt16BE(7), segment.readUInt16BE(5));
			file.position += 2 + Math.max(2, segment.readUInt16BE(2));
		}
	}
}

const GIF_IMAGE = 0x2c;
const GIF_EXTENSION = 0x21;
const GIF_TRAILER = 0x3b;
const GIF_HEADER_BYTES = 13;

/** The bytes of a color table, whose size is in three bits of the flags before it. */
const colorTableBytes = (flags: number) => (flags & 0x80 ? 3 * 2 ** ((flags & 0x07) + 1) : 0);

/** GIF89a, sections 17 to 27: blocks of sub-blocks, up to the trailer, which some encoders omit. */
function* readGif(file: PartialFile, onSize: OnSize): PartReading {
	const header = file.from(yield GIF_HEADER_BYTES);
	onSize(header.readUInt16LE(6), header.readUInt16LE(8));
	file.position += GIF_HEADER_BYTES + colorTableBytes(header[10]);
	for (let hasImage = false; ; ) {
		file.mayEnd = hasImage;
		const block = file.byteAt(yield 1);
		if (block === GIF_EXTENSION) file.position += 2;
		else if (block === GIF_IMAGE) {
			const flags = file.byteAt((yield 10) + 9);
			file.position += 11 + colorTableBytes(flags);
			hasImage = true;
		} else return block === GIF_TRAILER;
		let length: number;
		do {
			length = file.byteAt(yield 1);
			file.position += 1 + length;
		} while (length > 0);
	}
}

/** The end of a file whose length is known. */
function* endAt(position: number, file: PartialFile): PartReading {
	file.position = position;
	file.mayEnd = true;
	yield 1;
	return true;
}

const RIFF_HEADER_BYTES = 8;
/** The length in a file whose encoder did not know it in advance. */
const UNKNOWN_RIFF_LENGTH = 0xffff_ffff;
const WEBP_SIZE_BYTES = 30;

/** RFC 9649, 2.4: the file's length is in its header. */
function* readWebp(file: PartialFile, onSize: OnSize): PartReading {
	const length = file.from(yield RIFF_HEADER_BYTES).readUInt32LE(4);
	const end = RIFF_HEADER_BYTES + length;
	const isUnknown = length === UNKNOWN_RIFF_LENGTH;
	file.mayEnd = isUnknown;
	if (end >= WEBP_SIZE_BYTES) readWebpSize(file.from(yield WEBP_SIZE_BYTES), onSize);
	if (!isUnknown) return yield* endAt(end, file);
}

/** RFC 9649, 2.5 to 2.7: lossy, lossless and extended files contain their size in different ways. */
function readWebpSize(header: Buffer, onSize: OnSize): void {
	const name = textAt(header, 12);
	if (name === 'VP8 ') {
		onSize(header.readUInt16LE(26) & 0x3fff, header.readUInt16LE(28) & 0x3fff);
	} else if (name === 'VP8L') {
		const bits = header.readUInt32LE(21);
		onSize(1 + (bits & 0x3fff), 1 + ((bits >> 14) & 0x3fff));
	} else if (name === 'VP8X') {
		onSize(1 + header.readUIntLE(24, 3), 1 + header.readUIntLE(27, 3));
	}
}

/** OS/2's first header, with 16-bit sizes. */
const BITMAPCOREHEADER_BYTES = 12;
/** Windows's header. It and later ones contain the compression. */
const BITMAPINFOHEADER_BYTES = 40;
/** BI_RGB, BI_BITFIELDS and BI_ALPHABITFIELDS. */
const UNCOMPRESSED = new Set([0, 3, 6]);

/** The number of pixels gives the end of a BMP. Many encoders get the length in its header wrong. */
function* readBmp(file: PartialFile, onSize: OnSize): PartReading {
	const infoBytes = file.from(yield 18).readUInt32LE(14);
	const isCore = infoBytes === BITMAPCOREHEADER_BYTES;
	const header = file.from(yield isCore ? 26 : 34);
	// An image stored from top to bottom has a negative height.
	const [width, height, bits] = isCore
		? [header.readUInt16LE(18), header.readUInt16LE(20), header.readUInt16LE(24)]
		: [header.readUInt32LE(18), Math.abs(header.readInt32LE(22)), header.readUInt16LE(28)];
	onSize(width, height);
	if (infoBytes >= BITMAPINFOHEADER_BYTES && !UNCOMPRESSED.has(header.readUInt32LE(30))) return;
	const pixelsAt = header.readUInt32LE(10);
	return yield* endAt(pixelsAt + Math.ceil((width * bits) / 32) * 4 * height, file);
}

const INTEL_ORDER = 0x4949;
const BIG_TIFF = 43;
const TIFF_WIDTH = 256;
const TIFF_HEIGHT = 257;
/** The bytes of a value of the types SHORT, LONG and LONG8. Other types are not valid for a size. */
const TIFF_VALUE_BYTES: Partial<Record<number, number>> = { 3: 2, 4: 4, 16: 8 };

/** TIFF 6.0, section 2, and BigTIFF: the header contains only the position of the directory. */
function* readTiff(file: PartialFile, onSize: OnSize): PartReading {
	const start = file.from(yield 4);
	const isIntel = start.readUInt16BE(0) === INTEL_ORDER;
	const numberAt = (part: Buffer, at: number, bytes: number): number => {
		// The loss of precision does not matter, because no file reaches 2^53 bytes.
		if (bytes === 8) return Number(isIntel ? part.readBigUInt64LE(at) : part.readBigUInt64BE(at));
		return isIntel ? part.readUIntLE(at, bytes) : part.readUIntBE(at, bytes);
	};
	/** TIFF and BigTIFF differ in the width of offsets, and of the number of entries. */
	const [offsetBytes, countBytes] = numberAt(start, 2, 2) === BIG_TIFF ? [8, 8] : [4, 2];
	const directoryAt = numberAt(file.from(yield 2 * offsetBytes), offsetBytes, offsetBytes);
	if (directoryAt < 2 * offsetBytes) return;
	file.position = directoryAt;
	let entriesLeft = numberAt(file.from(yield countBytes), 0, countBytes);
	file.position += countBytes;
	let [width, height] = [0, 0];
	for (; entriesLeft > 0; entriesLeft--) {
		const entry = file.from(yield 4 + 2 * offsetBytes);
		const tag = numberAt(entry, 0, 2);
		if (tag === TIFF_WIDTH || tag === TIFF_HEIGHT) {
			const bytes = TIFF_VALUE_BYTES[numberAt(entry, 2, 2)];
			const value = bytes ? numberAt(entry, 4 + offsetBytes, Math.min(bytes, offsetBytes)) : 0;
			if (tag === TIFF_WIDTH) width = value;
			else height = value;
		}
		onSize(width, height);
		file.position += 4 + 2 * offsetBytes;
	}
}

/** Boxes that describe images, boxes that contain them, and others that a file may contain. */
const DESCRIBING_BOX = /^(meta|moov|mini)$/;
const DATA_BOX = /^(mdat|mini)$/;
const OTHER_BOX = /^(ftyp|styp|free|skip|wide|uuid|pdin|sidx|ssix|moof|mfra|prft|imda|etyp)$/;
const BOX_HEAD_BYTES = 8;
const LONG_BOX_HEAD_BYTES = 16;
/** A box with this length has its real length in the 64 bits after its name. */
const LONG_BOX = 1;
/** The version and the flags of a meta box. */
const META_FLAGS_BYTES = 4;

/** ISO/IEC 14496-12, 4.2, and 23008-12: boxes with their length. The file ends after the last one. */
function* readIsoMedia(file: PartialFile, onSize: OnSize): PartReading {
	let hasDescription = false;
	let hasData = false;
	for (;;) {
		file.mayEnd = hasDescription && hasData;
		const box = file.from(yield BOX_HEAD_BYTES);
		const name = textAt(box, 4);
		const isLong = box.readUInt32BE(0) === LONG_BOX;
		const headBytes = isLong ? LONG_BOX_HEAD_BYTES : BOX_HEAD_BYTES;
		const length = isLong
			? Number(file.from(yield headBytes).readBigUInt64BE(BOX_HEAD_BYTES))
			: box.readUInt32BE(0);
		const isRelevant = DESCRIBING_BOX.test(name) || DATA_BOX.test(name);
		// A length of 0 means up to the end of the file, which is unknown.
		if (!(isRelevant || OTHER_BOX.test(name)) || length < headBytes) return;
		hasDescription ||= DESCRIBING_BOX.test(name);
		hasData ||= DATA_BOX.test(name);
		const end = file.position + length;
		if (name === 'meta') {
			file.position += headBytes + META_FLAGS_BYTES;
			hasData = (yield* readInnerBoxes(file, onSize, end, ['iprp', 'ipco', 'ispe'])) || hasData;
		}
		file.position = end;
	}
}

/** A photo has one size, and a few more for its tiles and previews. A file with many more was crafted. */
const MAX_SIZES = 16;

/**
 * Reads the boxes in a box up to an impossible length, and the largest size at the end of a path of names, which is that
 * of the photo. The others are those of its tiles and previews.
 *
 * @returns whether the box contains the data of a small image
 */
function* readInnerBoxes(
	file: PartialFile,
	onSize: OnSize,
	end: number,
	[wanted, ...path]: string[],
): Generator<number, boolean, number> {
	let hasData = false;
	let sizes = 0;
	let [width, height] = [0, 0];
	while (file.position + BOX_HEAD_BYTES <= end && sizes <= MAX_SIZES) {
		const box = file.from(yield BOX_HEAD_BYTES);
		const name = textAt(box, 4);
		const length = box.readUInt32BE(0);
		const next = file.position + length;
		hasData ||= name === 'idat';
		if (length < BOX_HEAD_BYTES || next > end) break;
		if (name === wanted && path.length > 0) {
			file.position += BOX_HEAD_BYTES;
			yield* readInnerBoxes(file, onSize, next, path);
		} else if (name === wanted) {
			const property = file.from(yield 20);
			const size = [property.readUInt32BE(12), property.readUInt32BE(16)];
			if (size[0] * size[1] > width * height) [width, height] = size;
			sizes++;
		}
		file.position = next;
	}
	if (sizes > 0 && sizes <= MAX_SIZES) onSize(width, height);
	return hasData;
}

const SVG_END = '</svg';

/** An SVG has no size in pixels, but it has an end. */
function* readSvg(file: PartialFile): PartReading {
	for (;;) {
		const rest = file.from(yield SVG_END.length);
		if (rest.includes(SVG_END)) return true;
		file.position += rest.length - SVG_END.length + 1;
	}
}
