import sharp, { type OverlayOptions } from 'sharp';
import type { Pixels } from './specification.cts';

const LATIN_REGULAR = require.resolve(
	'@expo-google-fonts/pt-sans/400Regular/PTSans_400Regular.ttf',
);
const LATIN_BOLD = require.resolve('@expo-google-fonts/pt-sans/700Bold/PTSans_700Bold.ttf');
const CHINESE = require.resolve(
	'@expo-google-fonts/zcool-xiaowei/400Regular/ZCOOLXiaoWei_400Regular.ttf',
);
const SMALLEST_FONT = 6;
/** On a picture with a shorter side than this no letter is readable, so it gets no caption. */
const SMALLEST_SIDE = 32;

/** The caption of every image, so that nobody mistakes it for a result of StepFun. */
export const NOTICE = 'TEST SERVER · NOT A REAL RESULT';

export interface CaptionText {
	heading: string;
	prompt: string;
	footer: string;
}

let fontsLoaded: Promise<void> | undefined;

/**
 * sharp takes one font file per text, but a file that was loaded once stays known to the process.
 * So every machine draws the same letters, also one without installed fonts.
 */
async function loadFonts(): Promise<void> {
	for (const fontfile of [LATIN_REGULAR, LATIN_BOLD]) {
		await sharp({ text: { text: 'a', fontfile } }).metadata();
	}
}

/** Lays a readable caption along an edge of a picture, over at most `share` of its height. */
export async function captionOverlays(
	text: CaptionText,
	{ width, height }: Pixels,
	{ edge, share }: { edge: 'top' | 'bottom'; share: number },
): Promise<OverlayOptions[]> {
	if (Math.min(width, height) < SMALLEST_SIDE) return [];
	await (fontsLoaded ??= loadFonts());
	const margin = Math.round(Math.min(width, height) * 0.03);
	const padding = Math.max(2, Math.round(Math.min(width, height) * 0.025));
	const space: Pixels = {
		width: width - 2 * (margin + padding),
		height: Math.floor(height * share) - margin - 2 * padding,
	};
	const lettering = await fitLettering(text, space, Math.min(width, height) / 27);
	const panel: Pixels = { width: width - 2 * margin, height: lettering.height + 2 * padding };
	const top = edge === 'top' ? margin : height - margin - panel.height;
	return [
		{ input: panelSvg(panel, padding), left: margin, top },
		{ input: lettering.picture, left: margin + padding, top: top + padding },
	];
}

function panelSvg({ width, height }: Pixels, radius: number): Buffer {
	return Buffer.from(
		`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
			`<rect width="100%" height="100%" rx="${radius}" fill="#10131f" fill-opacity="0.78"/></svg>`,
	);
}

interface Lettering extends Pixels {
	picture: Buffer;
}

/** The largest lettering that fits; on a tiny picture the prompt is shortened, at last cropped. */
async function fitLettering(text: CaptionText, space: Pixels, start: number): Promise<Lettering> {
	for (let size = Math.max(start, SMALLEST_FONT); ; size = Math.max(size * 0.85, SMALLEST_FONT)) {
		const lettering = await renderLettering(text, size, space.width);
		if (lettering.height <= space.height) return lettering;
		if (size === SMALLEST_FONT) break;
	}
	const letters = Array.from(text.prompt);
	for (let kept = letters.length >> 1; kept > 0; kept >>= 1) {
		const shortened = { ...text, prompt: `${letters.slice(0, kept).join('')}…` };
		const lettering = await renderLettering(shortened, SMALLEST_FONT, space.width);
		if (lettering.height <= space.height) return lettering;
	}
	const lettering = await renderLettering({ ...text, prompt: '…' }, SMALLEST_FONT, space.width);
	const height = Math.max(1, Math.min(lettering.height, space.height));
	const picture = await sharp(lettering.picture)
		.extract({ left: 0, top: 0, width: lettering.width, height })
		.png()
		.toBuffer();
	return { picture, width: lettering.width, height };
}

async function renderLettering(
	{ heading, prompt, footer }: CaptionText,
	size: number,
	width: number,
): Promise<Lettering> {
	const markup =
		`<span foreground="#ffb300" size="large"><b>${NOTICE}</b></span>\n` +
		`<span foreground="#cfd8ff" size="small"><b>${escapeMarkup(heading)}</b></span>\n` +
		`<span foreground="#ffffff" size="large">${escapeMarkup(prompt)}</span>\n` +
		`<span foreground="#cfd8ff" size="small">${escapeMarkup(footer)}</span>`;
	const { data, info } = await sharp({
		text: {
			text: markup,
			font: `PT Sans, ZCOOL XiaoWei ${size.toFixed(1)}`,
			fontfile: CHINESE,
			width: Math.max(1, Math.floor(width)),
			wrap: 'word-char',
			rgba: true,
			// At 72 dots per inch a point is a pixel.
			dpi: 72,
		},
	})
		.png({ compressionLevel: 1 })
		.toBuffer({ resolveWithObject: true });
	// A word that cannot break may come out wider than asked for.
	if (info.width <= width) return { picture: data, width: info.width, height: info.height };
	const cut = { left: 0, top: 0, width: Math.max(1, Math.floor(width)), height: info.height };
	const picture = await sharp(data).extract(cut).png({ compressionLevel: 1 }).toBuffer();
	return { picture, width: cut.width, height: cut.height };
}

function escapeMarkup(text: string): string {
	return text
		.replace(/[\s\p{Cc}]+/gu, ' ')
		.replace(/[\p{Cs}\uFFFE\uFFFF]/gu, '\uFFFD')
		.trim()
		.replaceAll('&', '&amp;')
		.replaceAll('<', '&lt;');
}
