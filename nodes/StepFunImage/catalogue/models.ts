/**
 * The models of StepFun's image API and every limit that differs between them.
 *
 * The node's options and their defaults, the checks before a request, and the tables in the documents all derive from
 * this table. To add a model, add one entry.
 *
 * Sources: StepFun's pages "Step Image Edit 2" and "图片编辑 API" (platform.stepfun.com/docs), its
 * API reference for image generation, and its pricing page, read between June and September 2026.
 */

import type { ImageFormat } from './imageFormats';
import type { Currency } from './services';

/** The operations on images, with their names in the panel. */
export const OPERATION_NAMES = {
	generate: 'Generate',
	edit: 'Edit',
	imageToImage: 'Image to Image',
};

export type Operation = keyof typeof OPERATION_NAMES;

export const OPERATIONS = Object.keys(OPERATION_NAMES) as Operation[];

export type ImageSize = ReturnType<typeof sizes>[number];

export interface NumberRange {
	min: number;
	max: number;
	default: number;
}

export interface InputImageLimits {
	/** Shortest and longest side in pixels. */
	minSide?: number;
	maxSide: number;
	maxBytes?: number;
	/** Longest side divided by shortest side. */
	maxAspect?: number;
	/** Without a list, the node accepts every raster format and leaves the decision to the API. */
	formats?: readonly ImageFormat[];
}

export interface ModelCapabilities {
	sizes?: readonly ImageSize[];
	/** The size that the API uses if the request has none; one of `sizes`. */
	defaultSize?: ImageSize;
	/** Whether the size only sets the area, and the result keeps the input's proportions. */
	sizeIsArea?: boolean;
	steps: NumberRange;
	cfgScale: NumberRange;
	/** Whether the API reads the seed 0 as "choose one at random". */
	seedZeroIsRandom: boolean;
	maxPromptCharacters: number;
	/** Absent if the model has no negative prompt. */
	negativePrompt?: {
		maxCharacters: number;
		/** The model ignores the negative prompt at this CFG scale. */
		ignoredAtCfgScale: number;
	};
	textMode: boolean;
	inputImage?: InputImageLimits;
	/** How far the result may differ from the source: above 0, up to `max`. */
	sourceWeight?: { max: number; default: number };
}

interface Model {
	id: string;
	description: string;
	operations: Partial<Record<Operation, ModelCapabilities>>;
	/** The price of one image on the Chinese platform (yuan) and on the international one (US dollars). */
	pricePerImage?: Record<Currency, number>;
}

/** The range of seeds is the same for all models. Without a seed, the service chooses one at random. */
export const SEED_RANGE = { min: 0, max: 2_147_483_647 };

/**
 * @param notation the order in the API's `size` field
 * @param entries in pixels, with the common name of the aspect ratio, from which the actual ratio may differ slightly
 */
function sizes(
	notation: 'height x width' | 'width x height',
	entries: ReadonlyArray<[width: number, height: number, ratio: string]>,
) {
	return entries.map(([width, height, ratio]) => ({
		width,
		height,
		ratio,
		orientation: width === height ? 'Square' : width > height ? 'Landscape' : 'Portrait',
		apiValue: notation === 'height x width' ? `${height}x${width}` : `${width}x${height}`,
	}));
}

const IMAGE_EDIT_2_SAMPLING = {
	steps: { min: 1, max: 50, default: 8 },
	cfgScale: { min: 1, max: 10, default: 1 },
	seedZeroIsRandom: false,
	maxPromptCharacters: 512,
	negativePrompt: { maxCharacters: 512, ignoredAtCfgScale: 1 },
	textMode: true,
};

const OLDER_SAMPLING = {
	steps: { min: 1, max: 50, default: 50 },
	cfgScale: { min: 1, max: 10, default: 6 },
	seedZeroIsRandom: true,
	maxPromptCharacters: 512,
	textMode: false,
};

// StepFun writes the sizes of this model as height x width: `768x1360` is a landscape image.
const IMAGE_EDIT_2_SIZES = sizes('height x width', [
	[1024, 1024, '1:1'],
	[1360, 768, '16:9'],
	[1184, 896, '4:3'],
	[896, 1184, '3:4'],
	[768, 1360, '9:16'],
]);

const EDIT_1X_SIZES = sizes('width x height', [
	[512, 512, '1:1'],
	[768, 768, '1:1'],
	[1024, 1024, '1:1'],
]);

const LARGE_2X_SIZES = sizes('width x height', [
	[1024, 1024, '1:1'],
	[768, 768, '1:1'],
	[512, 512, '1:1'],
	[256, 256, '1:1'],
	[1280, 800, '16:10'],
	[800, 1280, '10:16'],
]);

/** The first model of an operation is its default. */
export const MODELS: readonly Model[] = [
	{
		id: 'step-image-edit-2',
		description: 'Generates or edits an image in 1 to 2 seconds. Recommended by StepFun.',
		pricePerImage: { cny: 0.02, usd: 0.003 },
		operations: {
			generate: {
				...IMAGE_EDIT_2_SAMPLING,
				sizes: IMAGE_EDIT_2_SIZES,
				defaultSize: IMAGE_EDIT_2_SIZES[0],
			},
			edit: {
				...IMAGE_EDIT_2_SAMPLING,
				inputImage: { maxSide: 4096 },
			},
		},
	},
	{
		id: 'step-2x-large',
		description: 'Larger and slower text-to-image model without negative prompt or text mode',
		pricePerImage: { cny: 0.1, usd: 0.02 },
		operations: {
			generate: {
				...OLDER_SAMPLING,
				sizes: LARGE_2X_SIZES,
			},
			imageToImage: {
				...OLDER_SAMPLING,
				sizes: LARGE_2X_SIZES,
				steps: { min: 1, max: 100, default: 50 },
				maxPromptCharacters: 1024,
				inputImage: { maxSide: 2048, maxBytes: 10 * 1024 * 1024, formats: ['png', 'jpg'] },
				sourceWeight: { max: 1, default: 0.5 },
			},
		},
	},
	{
		id: 'step-1x-edit',
		description: 'Older editing model. StepFun no longer serves it; a server of your own may.',
		operations: {
			edit: {
				...OLDER_SAMPLING,
				sizes: EDIT_1X_SIZES,
				defaultSize: EDIT_1X_SIZES[0],
				sizeIsArea: true,
				steps: { min: 1, max: 50, default: 28 },
				inputImage: {
					minSide: 64,
					maxSide: 4096,
					maxBytes: 10 * 1024 * 1024,
					maxAspect: 3,
					formats: ['jpg', 'png', 'webp'],
				},
			},
		},
	},
];

/** A model and one of its operations. */
export interface Offer extends Model {
	operation: Operation;
	capabilities: ModelCapabilities;
}

/** Each operation with each model that offers it. */
export const OFFERS: readonly Offer[] = OPERATIONS.flatMap((operation) =>
	MODELS.flatMap((model) => {
		const capabilities = model.operations[operation];
		return capabilities ? [{ ...model, operation, capabilities }] : [];
	}),
);

/** The models that offer an operation, in the order of the catalogue. */
export function modelsFor(operation: Operation): Offer[] {
	return OFFERS.filter((offer) => offer.operation === operation);
}

/** Finds a model by its ID; `undefined` for other models, such as those of the user's own server. */
export function findModel(id: string): Model | undefined {
	return MODELS.find((model) => model.id === id);
}

/** A size with the width first, whatever the model's own notation is: `1360x768`. */
export function sizeValue(size: Pick<ImageSize, 'width' | 'height'>): string {
	return `${size.width}x${size.height}`;
}

/** The label of a size: `Landscape 16:9 (1360 × 768)`. */
export function sizeLabel(size: ImageSize): string {
	return `${size.orientation} ${size.ratio} (${size.width} × ${size.height})`;
}
