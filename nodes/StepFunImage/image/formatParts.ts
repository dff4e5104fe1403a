import type { ImageFormat } from '../catalogue/imageFormats';
import type { Expect, Part } from './partWalk';

/** Takes a size that a walk comes by. */
type Note = (width: number, height: number) => void;

/**
 * What each format begins with, and how its parts follow one another up to the end of an image. What stands behind the
 * end does not matter. Where a part is not known the walk ends, too: an image counts as whole as long as nothing
 * shows that it is not.
 */
export const FORMAT_PARTS: Record<ImageFormat, (expect: Expect, note: Note) => Part> = {
	png: pngParts,
	jpg: jpegParts,
	gif: gifParts,
	webp: webpParts,
	bmp: bmpParts,
	tiff: tiffParts,
	heif: isoMediaParts,
	avif: isoMediaParts,
};

/** The end of an image, or of what can be followed. */
const END = Infinity;

/** A name of four letters, as a number. */
const name = (text: string) => Buffer.from(text, 'latin1').readUInt32BE();

const PNG_SIGNATURE_BYTES = 8;
const IEND = name('IEND');
const MAX_PNG_CHUNK_BYTES = 2 ** 31 - 1;

/** PNG specification, 5.3: chunks of length, name, data and check sum, up to IEND. */
function pngParts(expect: Expect): Part {
	const chunk: Part = {
		headBytes: 8,
		read(piece, at) {
			const length = piece.readUInt32BE(at);
			// The last check sum protects nothing that a decoder needs.
			const isLast = piece.readUInt32BE(at + 4) === IEND;
			return isLast || length > MAX_PNG_CHUNK_BYTES ? END : length + 12;
		},
	};
	return {
		headBytes: PNG_SIGNATURE_BYTES,
		read() {
			expect(chunk);
			return PNG_SIGNATURE_BYTES;
		},
	};
}

const FILL = 0xff;
const END_OF_IMAGE = 0xd9;

/** The next place of 0xFF that is not stuffed, or of which that cannot be said yet. */
function toMarker(piece: Buffer, from: number): number {
	let at = piece[from] === FILL ? from : piece.indexOf(FILL, from);
	while (at !== -1 && piece[at + 1] === 0) at = piece.indexOf(FILL, at + 2);
	return at === -1 ? piece.length : at;
}

/** What may follow 0xFF without a length: stuffed zeros, TEM, restarts, and the start of an image. */
const isStandalone = (marker: number) => marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8);

/** SOF0 to SOF15, among which DHT, JPG and DAC have their place. */
const isFrame = (marker: number) =>
	marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/** ITU-T T.81, annex B: segments that tell their length, scan data in which 0xFF is stuffed, and EOI at the end. */
function jpegParts(expect: Expect, note: Note): Part {
	const marker: Part = {
		headBytes: 2,
		read(piece, at) {
			const distance = toMarker(piece, at) - at;
			if (distance > 0) return distance;
			const code = piece[at + 1];
			if (code === FILL) return 1;
			if (code === END_OF_IMAGE) return END;
			if (!isStandalone(code)) expect(isFrame(code) ? frame : segment);
			return 2;
		},
	};
	const segment: Part = {
		headBytes: 2,
		read(piece, at) {
			expect(marker);
			return Math.max(2, piece.readUInt16BE(at));
		},
	};
	const frame: Part = {
		headBytes: 7,
		read(piece, at) {
			note(piece.readUInt16BE(at + 5), piece.readUInt16BE(at + 3));
			return segment.read(piece, at);
		},
	};
	return marker;
}

const GIF_IMAGE = 0x2c;
const GIF_EXTENSION = 0x21;
const GIF_HEADER_BYTES = 13;

/** The bytes of a colour table, whose size stands in three bits of the flags before it. */
const colourTableBytes = (flags: number) => (flags & 0x80 ? 3 * 2 ** ((flags & 0x07) + 1) : 0);

/** GIF89a, sections 17 to 27: blocks of sub-blocks, up to the trailer, which some writers forget. */
function gifParts(expect: Expect): Part {
	const block: Part = {
		headBytes: 1,
		read(piece, at) {
			if (piece[at] === GIF_IMAGE) expect(image);
			else if (piece[at] === GIF_EXTENSION) expect(extension);
			else return END;
			return 1;
		},
	};
	const image: Part = {
		headBytes: 9,
		read(piece, at) {
			block.mayEnd = true;
			expect(subBlock);
			return 10 + colourTableBytes(piece[at + 8]);
		},
	};
	const extension: Part = {
		headBytes: 1,
		read() {
			expect(subBlock);
			return 1;
		},
	};
	const subBlock: Part = {
		headBytes: 1,
		read(piece, at) {
			if (piece[at] === 0) expect(block);
			return piece[at] + 1;
		},
	};
	return {
		headBytes: GIF_HEADER_BYTES,
		read(piece, at) {
			expect(block);
			return GIF_HEADER_BYTES + colourTableBytes(piece[at + 10]);
		},
	};
}

/** A part without a length, behind whose beginning nothing needs to follow. */
const END_OF_FILE: Part = { headBytes: 1, mayEnd: true, read: () => END };

/** What a writer leaves there that does not go back to tell how long the file has become. */
const UNKNOWN_RIFF_LENGTH = 0xffff_ffff;

/** RFC 9649, 2.4: the file's length stands at its beginning. */
function webpParts(expect: Expect): Part {
	return {
		headBytes: 8,
		read(piece, at) {
			const length = piece.readUInt32LE(at + 4);
			expect(END_OF_FILE);
			return length === UNKNOWN_RIFF_LENGTH ? END : 8 + length;
		},
	};
}

/** OS/2's first header, whose sizes have 16 bits. */
const BITMAPCOREHEADER_BYTES = 12;
/** Windows's header; it and what came after it tell a compression. */
const BITMAPINFOHEADER_BYTES = 40;
/** BI_RGB, BI_BITFIELDS and BI_ALPHABITFIELDS. */
const UNCOMPRESSED = new Set([0, 3, 6]);

/** The pixels of BMP tell where it ends. The length in its header does not: many writers get it wrong. */
function bmpParts(expect: Expect, note: Note): Part {
	const toEnd = (piece: Buffer, at: number, width: number, height: number, bits: number) => {
		note(width, height);
		expect(END_OF_FILE);
		const pixelsAt = piece.readUInt32LE(at + 10);
		return pixelsAt + Math.ceil((width * bits) / 32) * 4 * height;
	};
	const coreHeader: Part = {
		headBytes: 26,
		read: (piece, at) =>
			toEnd(
				piece,
				at,
				piece.readUInt16LE(at + 18),
				piece.readUInt16LE(at + 20),
				piece.readUInt16LE(at + 24),
			),
	};
	const infoHeader: Part = {
		headBytes: 34,
		read(piece, at) {
			// A picture that begins at the top has a negative height.
			const height = Math.abs(piece.readInt32LE(at + 22));
			const end = toEnd(
				piece,
				at,
				piece.readUInt32LE(at + 18),
				height,
				piece.readUInt16LE(at + 28),
			);
			const isPlain =
				piece.readUInt32LE(at + 14) < BITMAPINFOHEADER_BYTES ||
				UNCOMPRESSED.has(piece.readUInt32LE(at + 30));
			return isPlain ? end : END;
		},
	};
	return {
		headBytes: 18,
		read(piece, at) {
			const isCore = piece.readUInt32LE(at + 14) === BITMAPCOREHEADER_BYTES;
			expect(isCore ? coreHeader : infoHeader);
			return 0;
		},
	};
}

const INTEL_ORDER = 0x4949;
const BIG_TIFF = 43;
const TIFF_WIDTH = 256;
const TIFF_HEIGHT = 257;
const SHORT = 3;
const LONG = 4;
const LONG8 = 16;

/** TIFF 6.0, section 2, and BigTIFF: of all its parts only the directory has a place that the header tells. */
function tiffParts(expect: Expect, note: Note): Part {
	let isIntel = false;
	const short = (piece: Buffer, at: number) =>
		isIntel ? piece.readUInt16LE(at) : piece.readUInt16BE(at);
	const long = (piece: Buffer, at: number) =>
		isIntel ? piece.readUInt32LE(at) : piece.readUInt32BE(at);
	/** Places beyond 2^53 are beyond any file. */
	const long8 = (piece: Buffer, at: number) =>
		Number(isIntel ? piece.readBigUInt64LE(at) : piece.readBigUInt64BE(at));

	/** What differs between TIFF and BigTIFF: the width of offsets, and of the number of entries. */
	const layout = (
		offsetBytes: number,
		offset: typeof long,
		countBytes: number,
		count: typeof long,
	) => {
		let entriesLeft = 0;
		let width = 0;
		let height = 0;
		const valueAt = 4 + offsetBytes;
		const valueOf = (piece: Buffer, at: number) => {
			const type = short(piece, at + 2);
			if (type === SHORT) return short(piece, at + valueAt);
			if (type === LONG) return long(piece, at + valueAt);
			return type === LONG8 ? offset(piece, at + valueAt) : 0;
		};
		const header: Part = {
			headBytes: 2 * offsetBytes,
			read(piece, at) {
				expect(directory);
				const directoryAt = offset(piece, at + offsetBytes);
				return directoryAt < header.headBytes ? END : directoryAt;
			},
		};
		const directory: Part = {
			headBytes: countBytes,
			read(piece, at) {
				entriesLeft = count(piece, at);
				expect(entry);
				return entriesLeft === 0 ? END : countBytes;
			},
		};
		const entry: Part = {
			headBytes: valueAt + offsetBytes,
			read(piece, at) {
				const tag = short(piece, at);
				if (tag === TIFF_WIDTH) width = valueOf(piece, at);
				else if (tag === TIFF_HEIGHT) height = valueOf(piece, at);
				note(width, height);
				entriesLeft--;
				return entriesLeft === 0 ? END : entry.headBytes;
			},
		};
		return header;
	};

	return {
		headBytes: 4,
		read(piece, at) {
			isIntel = piece.readUInt16BE(at) === INTEL_ORDER;
			const isBig = short(piece, at + 2) === BIG_TIFF;
			expect(isBig ? layout(8, long8, 8, long8) : layout(4, long, 2, short));
			return 0;
		},
	};
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
const LONG_BOX_HEAD_BYTES = 16;
/** Where a box's length is this, 64 bits behind its name hold it. */
const LONG_BOX = 1;
/** The version and the flags of a meta box. */
const META_FLAGS_BYTES = 4;

/** ISO/IEC 14496-12, 4.2, and 23008-12: boxes that tell their length. The last one is the end. */
function isoMediaParts(expect: Expect): Part {
	let hasDescription = false;
	let hasData = false;
	/** What is left of a meta box. */
	let metaBytesLeft = 0;

	const enter = (piece: Buffer, at: number, headBytes: number, length: number) => {
		const type = piece.readUInt32BE(at + 4);
		const isKnown = DESCRIBING_BOXES.has(type) || DATA_BOXES.has(type) || OTHER_BOXES.has(type);
		// A length of 0 means up to the end of the file, wherever that is.
		if (!isKnown || length < headBytes) return END;
		hasDescription ||= DESCRIBING_BOXES.has(type);
		hasData ||= DATA_BOXES.has(type);
		box.mayEnd = hasDescription && hasData;
		metaBytesLeft = length - headBytes - META_FLAGS_BYTES;
		const hasParts = type === META && metaBytesLeft >= BOX_HEAD_BYTES;
		expect(hasParts ? metaPart : box);
		return hasParts ? headBytes + META_FLAGS_BYTES : length;
	};
	const box: Part = {
		headBytes: BOX_HEAD_BYTES,
		read(piece, at) {
			const length = piece.readUInt32BE(at);
			if (length !== LONG_BOX) return enter(piece, at, BOX_HEAD_BYTES, length);
			expect(longBox);
			return 0;
		},
	};
	const longBox: Part = {
		headBytes: LONG_BOX_HEAD_BYTES,
		read: (piece, at) =>
			enter(piece, at, LONG_BOX_HEAD_BYTES, Number(piece.readBigUInt64BE(at + BOX_HEAD_BYTES))),
	};
	/** A box in a meta box, among which the data of a small image may be. */
	const metaPart: Part = {
		headBytes: BOX_HEAD_BYTES,
		read(piece, at) {
			const length = piece.readUInt32BE(at);
			hasData ||= piece.readUInt32BE(at + 4) === IDAT;
			box.mayEnd = hasDescription && hasData;
			const isFollowed = length >= BOX_HEAD_BYTES && length + BOX_HEAD_BYTES <= metaBytesLeft;
			if (isFollowed) metaBytesLeft -= length;
			else expect(box);
			return isFollowed ? length : metaBytesLeft;
		},
	};
	return box;
}
