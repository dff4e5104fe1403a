import type { ImageFormat } from '../catalogue/imageFormats';
import type { Expect, Part } from './partReader';

/** Called with the size of the image when a part contains it. */
type OnSize = (width: number, height: number) => void;

/**
 * The first part of each format, which leads to the others up to the end of the image. Data after the end does not
 * matter. Reading also ends at an unknown part, because an image counts as complete unless something shows that it is
 * not.
 */
export const FORMAT_PARTS: Record<ImageFormat, (expect: Expect, onSize: OnSize) => Part> = {
	png: pngParts,
	jpg: jpegParts,
	gif: gifParts,
	webp: webpParts,
	bmp: bmpParts,
	tiff: tiffParts,
	heif: isoMediaParts,
	avif: isoMediaParts,
};

/** Ends the reading: at the end of the image, or at an unknown part. */
const END = Infinity;

/** Reads a four-letter name as a number. */
const name = (text: string) => Buffer.from(text, 'latin1').readUInt32BE();

const PNG_SIGNATURE_BYTES = 8;
const IEND = name('IEND');
const MAX_PNG_CHUNK_BYTES = 2 ** 31 - 1;

/** PNG specification, 5.3: chunks of length, name, data and checksum, up to IEND. */
function pngParts(expect: Expect): Part {
	const chunk: Part = {
		headBytes: 8,
		read(piece, at) {
			const length = piece.readUInt32BE(at);
			// Decoders do not need the last checksum.
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

/** The position of the next 0xFF that is not stuffed, or that may still turn out to be stuffed. */
function toMarker(piece: Buffer, from: number): number {
	let at = piece[from] === FILL ? from : piece.indexOf(FILL, from);
	while (at !== -1 && piece[at + 1] === 0) at = piece.indexOf(FILL, at + 2);
	return at === -1 ? piece.length : at;
}

/** Markers without a length: stuffed zeros, TEM, restarts, and the start of an image. */
const isStandalone = (marker: number) => marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8);

/** SOF0 to SOF15, without DHT, JPG and DAC, which are in the same range. */
const isFrame = (marker: number) =>
	marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/** ITU-T T.81, annex B: segments with their length, scan data in which 0xFF is stuffed, and EOI at the end. */
function jpegParts(expect: Expect, onSize: OnSize): Part {
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
			onSize(piece.readUInt16BE(at + 5), piece.readUInt16BE(at + 3));
			return segment.read(piece, at);
		},
	};
	return marker;
}

const GIF_IMAGE = 0x2c;
const GIF_EXTENSION = 0x21;
const GIF_HEADER_BYTES = 13;

/** The bytes of a color table, whose size is in three bits of the flags before it. */
const colorTableBytes = (flags: number) => (flags & 0x80 ? 3 * 2 ** ((flags & 0x07) + 1) : 0);

/** GIF89a, sections 17 to 27: blocks of sub-blocks, up to the trailer, which some encoders omit. */
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
			return 10 + colorTableBytes(piece[at + 8]);
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
			return GIF_HEADER_BYTES + colorTableBytes(piece[at + 10]);
		},
	};
}

/** Stands for the rest of a file after its last known part. */
const END_OF_FILE: Part = { headBytes: 1, mayEnd: true, read: () => END };

/** The length in a file whose encoder did not know it in advance. */
const UNKNOWN_RIFF_LENGTH = 0xffff_ffff;

/** RFC 9649, 2.4: the file's length is in its header. */
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

/** OS/2's first header, with 16-bit sizes. */
const BITMAPCOREHEADER_BYTES = 12;
/** Windows's header. It and later ones contain the compression. */
const BITMAPINFOHEADER_BYTES = 40;
/** BI_RGB, BI_BITFIELDS and BI_ALPHABITFIELDS. */
const UNCOMPRESSED = new Set([0, 3, 6]);

/**
 * The number of pixels gives the end of a BMP. The length in its header is not reliable: many encoders get it wrong.
 */
function bmpParts(expect: Expect, onSize: OnSize): Part {
	const toEnd = (piece: Buffer, at: number, width: number, height: number, bits: number) => {
		onSize(width, height);
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
			// An image stored from top to bottom has a negative height.
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

/** TIFF 6.0, section 2, and BigTIFF: the header contains only the position of the directory. */
function tiffParts(expect: Expect, onSize: OnSize): Part {
	let isIntel = false;
	const short = (piece: Buffer, at: number) =>
		isIntel ? piece.readUInt16LE(at) : piece.readUInt16BE(at);
	const long = (piece: Buffer, at: number) =>
		isIntel ? piece.readUInt32LE(at) : piece.readUInt32BE(at);
	/** The loss of precision does not matter, because no file reaches 2^53 bytes. */
	const long8 = (piece: Buffer, at: number) =>
		Number(isIntel ? piece.readBigUInt64LE(at) : piece.readBigUInt64BE(at));

	/** TIFF and BigTIFF differ in the width of offsets, and of the number of entries. */
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
				onSize(width, height);
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
/** Boxes that describe images, and boxes that contain them. */
const DESCRIBING_BOXES = new Set(['meta', 'moov', 'mini'].map(name));
const DATA_BOXES = new Set(['mdat', 'mini'].map(name));
/** Other boxes that a file may contain. */
const OTHER_BOXES = new Set(
	'ftyp styp free skip wide uuid pdin sidx ssix moof mfra prft imda etyp'.split(' ').map(name),
);
const BOX_HEAD_BYTES = 8;
const LONG_BOX_HEAD_BYTES = 16;
/** A box with this length has its real length in the 64 bits after its name. */
const LONG_BOX = 1;
/** The version and the flags of a meta box. */
const META_FLAGS_BYTES = 4;

/** ISO/IEC 14496-12, 4.2, and 23008-12: boxes with their length. The file ends after the last one. */
function isoMediaParts(expect: Expect): Part {
	let hasDescription = false;
	let hasData = false;
	/** The bytes left in a meta box. */
	let metaBytesLeft = 0;

	const enter = (piece: Buffer, at: number, headBytes: number, length: number) => {
		const type = piece.readUInt32BE(at + 4);
		const isKnown = DESCRIBING_BOXES.has(type) || DATA_BOXES.has(type) || OTHER_BOXES.has(type);
		// A length of 0 means up to the end of the file, which is unknown.
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
	/** A box inside a meta box, one of which may contain the data of a small image. */
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
