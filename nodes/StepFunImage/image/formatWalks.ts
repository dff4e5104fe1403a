import type { ImageFormat } from '../catalogue/imageFormats';
import { pass, read, readLittle, seek, skip, type Walk } from './byteWalk';

/** Takes a size that a walk comes by. */
type Note = (width: number, height: number) => void;

/**
 * How the parts of each format follow one another up to the end of an image. What stands behind the end is not looked
 * at. A walk that meets what it does not know gives up: an image counts as whole as long as nothing shows that it is not.
 */
export const FORMAT_WALKS: Record<ImageFormat, (note: Note) => Walk> = {
	png: walkPng,
	jpg: walkJpeg,
	gif: walkGif,
	webp: walkWebp,
	bmp: walkBmp,
	tiff: walkTiff,
	heif: walkIsoMedia,
	avif: walkIsoMedia,
};

/** A name of four letters, as the number that `read(4)` gives for it. */
const name = (text: string) => Buffer.from(text, 'latin1').readUInt32BE();

const IEND = name('IEND');
const MAX_PNG_CHUNK_BYTES = 2 ** 31 - 1;

/** PNG specification, 5.3: chunks of length, name, data and check sum, up to IEND. */
function* walkPng(): Walk {
	yield skip(8);
	for (;;) {
		const length = yield read(4);
		// The last check sum protects nothing that a decoder needs.
		if ((yield read(4)) === IEND || length > MAX_PNG_CHUNK_BYTES) return;
		yield skip(length + 4);
	}
}

const FILL = 0xff;
const END_OF_IMAGE = 0xd9;

/** What may follow 0xFF without a length: stuffed zeros, TEM, restarts, and the start of an image. */
const isStandalone = (marker: number) => marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8);

/** SOF0 to SOF15, among which DHT, JPG and DAC have their place. */
const isFrame = (marker: number) =>
	marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/** ITU-T T.81, annex B: segments that tell their length, scan data in which 0xFF is stuffed, and EOI at the end. */
function* walkJpeg(note: Note): Walk {
	yield skip(2);
	for (;;) {
		yield seek(FILL);
		yield pass(FILL);
		const marker = yield read(1);
		if (marker === END_OF_IMAGE) return;
		if (isStandalone(marker)) continue;
		const length = yield read(2);
		if (isFrame(marker) && length >= 7) {
			yield skip(1);
			const height = yield read(2);
			note(yield read(2), height);
			yield skip(length - 7);
		} else yield skip(length - 2);
	}
}

const GIF_IMAGE = 0x2c;
const GIF_EXTENSION = 0x21;

/** The bytes of a colour table, whose size stands in three bits of the flags before it. */
const colourTableBytes = (flags: number) => (flags & 0x80 ? 3 * 2 ** ((flags & 0x07) + 1) : 0);

/** GIF89a, sections 17 to 27: blocks of sub-blocks, up to the trailer, which some writers forget. */
function* walkGif(): Walk {
	yield skip(10);
	const screenFlags = yield read(1);
	yield skip(2 + colourTableBytes(screenFlags));
	let hasImage = false;
	for (;;) {
		const block = yield read(1, hasImage);
		if (block === GIF_IMAGE) {
			hasImage = true;
			yield skip(8);
			const flags = yield read(1);
			yield skip(colourTableBytes(flags) + 1);
		} else if (block === GIF_EXTENSION) yield skip(1);
		else return;
		for (let length = yield read(1); length > 0; length = yield read(1)) yield skip(length);
	}
}

/** What a writer leaves there that does not go back to tell how long the file has become. */
const UNKNOWN_RIFF_LENGTH = 0xffff_ffff;

/** RFC 9649, 2.4: the file's length stands at its beginning. */
function* walkWebp(): Walk {
	yield skip(4);
	const length = yield readLittle(4);
	if (length !== UNKNOWN_RIFF_LENGTH) yield skip(length);
}

const BITMAPCOREHEADER_BYTES = 12;
/** From this header on a compression is told. */
const BITMAPINFOHEADER_BYTES = 40;
/** BI_RGB, BI_BITFIELDS and BI_ALPHABITFIELDS. */
const UNCOMPRESSED = new Set([0, 3, 6]);

/** The pixels of BMP tell where it ends. The length in its header does not: many writers get it wrong. */
function* walkBmp(note: Note): Walk {
	yield skip(10);
	const pixelsAt = yield readLittle(4);
	const headerBytes = yield readLittle(4);
	const fieldBytes = headerBytes === BITMAPCOREHEADER_BYTES ? 2 : 4;
	const width = yield readLittle(fieldBytes);
	const signedHeight = yield readLittle(fieldBytes);
	// Windows stores pictures that begin at the top with a negative height.
	const height = signedHeight >= 2 ** 31 ? 2 ** 32 - signedHeight : signedHeight;
	note(width, height);
	yield skip(2);
	const bitsPerPixel = yield readLittle(2);
	const hasCompression = headerBytes >= BITMAPINFOHEADER_BYTES;
	const compression = hasCompression ? yield readLittle(4) : 0;
	if (!UNCOMPRESSED.has(compression)) return;
	const bytesRead = 22 + 2 * fieldBytes + (hasCompression ? 4 : 0);
	const rowBytes = Math.ceil((width * bitsPerPixel) / 32) * 4;
	yield skip(pixelsAt + rowBytes * height - bytesRead);
}

const INTEL_ORDER = 0x4949;
const BIG_TIFF = 43;
const TIFF_WIDTH = 256;
const TIFF_HEIGHT = 257;
/** The types in which a size is told, and their bytes: SHORT, LONG and LONG8. */
const TIFF_INTEGER_BYTES = new Map([
	[3, 2],
	[4, 4],
	[16, 8],
]);

/** TIFF 6.0, section 2, and BigTIFF: only the directory has a place that the header tells. */
function* walkTiff(note: Note): Walk {
	const number = (yield read(2)) === INTEL_ORDER ? readLittle : read;
	const isBig = (yield number(2)) === BIG_TIFF;
	if (isBig) yield skip(4);
	const offsetBytes = isBig ? 8 : 4;
	const directoryAt = yield number(offsetBytes);
	const headerBytes = isBig ? 16 : 8;
	if (directoryAt < headerBytes) return;
	yield skip(directoryAt - headerBytes);
	let width = 0;
	let height = 0;
	for (let entries = yield number(isBig ? 8 : 2); entries > 0; entries--) {
		const tag = yield number(2);
		const valueBytes = TIFF_INTEGER_BYTES.get(yield number(2));
		yield skip(offsetBytes);
		const isSize = tag === TIFF_WIDTH || tag === TIFF_HEIGHT;
		if (!isSize || valueBytes === undefined || valueBytes > offsetBytes) {
			yield skip(offsetBytes);
			continue;
		}
		const value = yield number(valueBytes);
		yield skip(offsetBytes - valueBytes);
		if (tag === TIFF_WIDTH) width = value;
		else height = value;
		note(width, height);
	}
}

const META = name('meta');
const IDAT = name('idat');
/** Boxes that describe images, and boxes that hold them. */
const DESCRIBING_BOXES = new Set(['meta', 'moov', 'mini'].map(name));
const DATA_BOXES = new Set(['mdat', 'mini'].map(name));
/** What else may stand beside them in a file. */
const OTHER_BOXES = new Set(
	'ftyp styp free skip wide uuid pdin sidx ssix moof mfra prft imda etyp'.split(' ').map(name),
);
const BOX_HEAD_BYTES = 8;
/** Where a box's length is this, 64 bits behind its name hold it. */
const LONG_BOX = 1;

/** ISO/IEC 14496-12, 4.2, and 23008-12: boxes that tell their length. The last one is the end. */
function* walkIsoMedia(): Walk {
	let hasDescription = false;
	let hasData = false;
	for (;;) {
		const mayEnd = hasDescription && hasData;
		const shortLength = yield read(4, mayEnd);
		const box = yield read(4, mayEnd);
		const isKnown = DESCRIBING_BOXES.has(box) || DATA_BOXES.has(box) || OTHER_BOXES.has(box);
		if (!isKnown) return;
		const isLong = shortLength === LONG_BOX;
		const length = isLong ? yield read(8) : shortLength;
		let rest = length - BOX_HEAD_BYTES - (isLong ? 8 : 0);
		// A length of 0 means up to the end of the file, wherever that is.
		if (rest < 0) return;
		if (box === META && rest >= 4) {
			yield skip(4);
			rest -= 4;
			// A small image may lie among what describes it.
			while (rest >= BOX_HEAD_BYTES) {
				const innerLength = yield read(4);
				hasData ||= (yield read(4)) === IDAT;
				rest -= BOX_HEAD_BYTES;
				if (innerLength < BOX_HEAD_BYTES) break;
				const content = Math.min(innerLength - BOX_HEAD_BYTES, rest);
				yield skip(content);
				rest -= content;
			}
		}
		yield skip(rest);
		hasDescription ||= DESCRIBING_BOXES.has(box);
		hasData ||= DATA_BOXES.has(box);
	}
}
