import type { InputImageLimits } from '../../nodes/StepFunImage/catalogue/models';
import type { MeasuredImage } from '../../nodes/StepFunImage/image/measure';
import { toUpload } from '../../nodes/StepFunImage/request/imageLimits';
import { piecesOf } from '../../nodes/StepFunImage/transport/upload';

const ADVICE =
	"Resize or convert the image before this node, for example with n8n's Edit Image node.";

const open = async () => piecesOf('');

const LIMITS: InputImageLimits = {
	minSide: 64,
	maxSide: 4096,
	maxBytes: 2 * 1024 * 1024,
	maxAspect: 3,
	formats: ['jpg', 'png'],
};

function check(
	image: Partial<MeasuredImage>,
	bytes = 1000,
	limits: InputImageLimits | undefined = LIMITS,
) {
	const measured: MeasuredImage = { format: 'png', width: 1000, height: 1000, ...image };
	const inspected = { image: measured, bytes, isWhole: true };
	toUpload('data', inspected, { model: 'step-1x-edit', limits }, open);
}

test.each<[string, Partial<MeasuredImage>, number]>([
	['of the longest side', { width: 4096, height: 4096 }, 1],
	['of the shortest side', { width: 64, height: 64 }, 1],
	['as wide as may be', { width: 3000, height: 1000 }, 1],
	['as high as may be', { width: 1000, height: 3000 }, 1],
	['of the largest file', {}, 2 * 1024 * 1024],
	['of the other format', { format: 'jpg' }, 1],
])('An input image %s passes', (_what, image, bytes) => {
	expect(() => check(image, bytes)).not.toThrow();
});

test.each<[string, Partial<MeasuredImage>, number, string, string]>([
	[
		'of another format',
		{ format: 'webp' },
		1,
		"The image in 'data' is WebP, which step-1x-edit does not take",
		`step-1x-edit takes JPEG, PNG. ${ADVICE}`,
	],
	[
		'that is too wide',
		{ width: 4097 },
		1,
		"The image in 'data' is too large: 4097 × 1000 pixels",
		`step-1x-edit takes images of at most 4096 × 4096 pixels. ${ADVICE}`,
	],
	[
		'that is too high',
		{ height: 4097 },
		1,
		"The image in 'data' is too large: 1000 × 4097 pixels",
		`step-1x-edit takes images of at most 4096 × 4096 pixels. ${ADVICE}`,
	],
	[
		'that is too small',
		{ width: 63, height: 64 },
		1,
		"The image in 'data' is too small: 63 × 64 pixels",
		`step-1x-edit takes images whose sides are at least 64 pixels. ${ADVICE}`,
	],
	[
		'that is too narrow',
		{ width: 3001 },
		1,
		"The image in 'data' is too narrow: 3001 × 1000 pixels",
		'step-1x-edit takes proportions from 1:3 to 3:1. Crop the image before this node.',
	],
	[
		'in too large a file',
		{},
		2 * 1024 * 1024 + 1,
		"The image in 'data' is too large: 2097153 bytes",
		`step-1x-edit takes images of at most 2097152 bytes (2 MB). ${ADVICE}`,
	],
])('An input image %s is refused', (_what, image, bytes, message, description) => {
	expect(() => check(image, bytes)).toThrow(expect.objectContaining({ message, description }));
});

test('A model without a limit refuses nothing', () => {
	const any = { format: 'tiff', width: 5000, height: 1 } as const;
	expect(() => check(any, 1e9, { maxSide: 5000 })).not.toThrow();
	const inspected = { image: any, bytes: 1e9, isWhole: true };
	expect(() => toUpload('data', inspected, { model: 'our-own-model' }, open)).not.toThrow();
});
