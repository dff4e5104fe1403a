import {
	findModel,
	MODELS,
	modelsFor,
	OPERATION_NAMES,
	OPERATIONS,
	SEED_RANGE,
	sizeLabel,
	sizeValue,
	type ModelCapabilities,
	type Operation,
} from '../../nodes/StepFunImage/catalogue/models';
import {
	PRICES,
	RULES,
	STEP_1X_EDIT_SIDES,
	STEP_2X_LARGE_SIZES,
	STEP_IMAGE_EDIT_2_SIZES,
	type FieldRule,
	type Pixels,
} from '../stepfun-server/specification.cts';

const OPERATIONS_OF_API = { generate: 'generate', edit: 'edit', imageToImage: 'image2image' };

const CASES = MODELS.flatMap(({ id, operations }) =>
	Object.entries(operations).map(
		([operation, capabilities]): [string, Operation, ModelCapabilities] => [
			id,
			operation as Operation,
			capabilities,
		],
	),
);

const squares = (sides: Record<string, number>): Record<string, Pixels> =>
	Object.fromEntries(
		Object.entries(sides).map(([size, side]) => [size, { width: side, height: side }]),
	);

const PIXELS: Record<string, Record<string, Pixels>> = {
	'step-image-edit-2': STEP_IMAGE_EDIT_2_SIZES,
	'step-1x-edit': squares(STEP_1X_EDIT_SIDES),
	'step-2x-large': STEP_2X_LARGE_SIZES,
};

function rulesOf(model: string, operation: Operation) {
	const rules = RULES[model][OPERATIONS_OF_API[operation] as keyof (typeof RULES)[string]];
	if (!rules) throw new Error(`StepFun documents no ${operation} of ${model}`);
	return rules;
}

/** The limits of a documented field. */
function limits(rule: FieldRule): { min: number; max: number } {
	if (!('min' in rule)) throw new Error(`a field of kind ${rule.kind} has no limits`);
	return { min: rule.min, max: rule.max };
}

test('The catalogue has the models and operations that StepFun documents, and no others', () => {
	const documented = Object.entries(RULES).flatMap(([model, operations]) =>
		Object.keys(operations).map((operation) => `${model} ${operation}`),
	);
	expect(
		CASES.map(([model, operation]) => `${model} ${OPERATIONS_OF_API[operation]}`).sort(),
	).toEqual(documented.sort());
});

describe.each(CASES)('Catalogue: %s, %s', (id, operation, capabilities) => {
	const { fields, defaults, zeroSeedIsRandom } = rulesOf(id, operation);

	test('has the documented ranges and defaults of steps, CFG scale and seed', () => {
		expect(capabilities.steps).toEqual({ ...limits(fields.steps), default: defaults.steps });
		expect(capabilities.cfgScale).toEqual({
			...limits(fields.cfg_scale),
			default: defaults.cfgScale,
		});
		expect(capabilities.seedZeroIsRandom).toBe(zeroSeedIsRandom);
		expect(limits(fields.seed)).toEqual(SEED_RANGE);
	});

	test('takes a prompt, a negative prompt and text mode as documented', () => {
		expect(capabilities.maxPromptCharacters).toBe(limits(fields.prompt).max);
		const isUnsupported = fields.negative_prompt.kind === 'unsupported';
		expect(capabilities.negativePrompt?.maxCharacters).toBe(
			isUnsupported ? undefined : limits(fields.negative_prompt).max,
		);
		expect(capabilities.textMode).toBe(fields.text_mode.kind === 'boolean');
	});

	test('has the documented sizes, in the notation of the API', () => {
		const offered = (capabilities.sizes ?? []).map(({ apiValue, width, height }) => [
			apiValue,
			{ width, height },
		]);
		const { size } = fields;
		expect(Object.fromEntries(offered)).toEqual(size.kind === 'choice' ? PIXELS[id] : {});
		if (capabilities.defaultSize) {
			expect(capabilities.defaultSize.apiValue).toBe(defaults.size);
			expect(capabilities.sizes).toContain(capabilities.defaultSize);
		}
	});

	test('gives each size an orientation, and a ratio close to its pixels', () => {
		for (const { width, height, orientation, ratio } of capabilities.sizes ?? []) {
			const [across, down] = ratio.split(':').map(Number);
			expect(Math.abs((width / height) * (down / across) - 1)).toBeLessThan(0.02);
			const expected = width === height ? 'Square' : width > height ? 'Landscape' : 'Portrait';
			expect(orientation).toBe(expected);
		}
	});

	test('takes an input image and a source weight where documented', () => {
		expect(capabilities.inputImage !== undefined).toBe('image' in fields || 'source_url' in fields);
		const weight = fields.source_weight as FieldRule | undefined;
		expect(capabilities.sourceWeight?.max).toBe(weight && limits(weight).max);
	});
});

test('The catalogue lists the size first that StepFun uses when none is sent', () => {
	const defaults = CASES.map(([id, operation, { defaultSize }]) => [
		`${id} ${operation}`,
		defaultSize && sizeValue(defaultSize),
	]);
	expect(Object.fromEntries(defaults)).toEqual({
		'step-image-edit-2 generate': '1024x1024',
		'step-image-edit-2 edit': undefined,
		'step-2x-large generate': undefined,
		'step-2x-large imageToImage': undefined,
		'step-1x-edit edit': '512x512',
	});
});

test('The catalogue has what StepFun documents about input images, source weight and negative prompts', () => {
	const edit2 = findModel('step-image-edit-2')?.operations;
	expect(edit2?.edit?.inputImage).toEqual({ maxSide: 4096 });
	expect(edit2?.generate?.negativePrompt?.ignoredAtCfgScale).toBe(1);
	expect(findModel('step-2x-large')?.operations.imageToImage).toMatchObject({
		inputImage: { maxSide: 2048, maxBytes: 10_485_760, formats: ['png', 'jpg'] },
		sourceWeight: { max: 1, default: 0.5 },
	});
	const edit1x = findModel('step-1x-edit')?.operations.edit;
	expect(edit1x?.sizeIsArea).toBe(true);
	expect(edit1x?.inputImage).toEqual({
		minSide: 64,
		maxSide: 4096,
		maxBytes: 10_485_760,
		maxAspect: 3,
		formats: ['jpg', 'png', 'webp'],
	});
	expect(CASES.filter(([, , { sizeIsArea }]) => sizeIsArea)).toHaveLength(1);
});

test('The catalogue has the documented prices, and describes every model', () => {
	expect(findModel('step-image-edit-2')?.pricePerImage).toEqual({
		cny: PRICES['step-image-edit-2'],
		usd: 0.003,
	});
	expect(findModel('step-2x-large')?.pricePerImage).toEqual({
		cny: PRICES['step-2x-large'],
		usd: 0.02,
	});
	expect(findModel('step-1x-edit')).not.toHaveProperty('pricePerImage');
	for (const { description } of MODELS) expect(description).toMatch(/^[A-Z].{20,}/);
});

test('Operations have their names, and the models that offer them in the order of the catalogue', () => {
	expect(OPERATIONS.map((operation) => OPERATION_NAMES[operation])).toEqual([
		'Generate',
		'Edit',
		'Image to Image',
	]);
	expect(OPERATIONS.map((operation) => modelsFor(operation).map(({ id }) => id))).toEqual([
		['step-image-edit-2', 'step-2x-large'],
		['step-image-edit-2', 'step-1x-edit'],
		['step-2x-large'],
	]);
	for (const operation of OPERATIONS) {
		for (const { id, capabilities } of modelsFor(operation)) {
			expect(capabilities).toBe(findModel(id)?.operations[operation]);
		}
	}
	expect(findModel('our-own-model')).toBeUndefined();
});

test('A size is shown width first, with its orientation and ratio', () => {
	const { sizes = [] } = modelsFor('generate')[0].capabilities;
	expect(sizes.map(sizeValue)).toEqual([
		'1024x1024',
		'1360x768',
		'1184x896',
		'896x1184',
		'768x1360',
	]);
	expect(sizes.map(sizeLabel)).toEqual([
		'Square 1:1 (1024 × 1024)',
		'Landscape 16:9 (1360 × 768)',
		'Landscape 4:3 (1184 × 896)',
		'Portrait 3:4 (896 × 1184)',
		'Portrait 9:16 (768 × 1360)',
	]);
});
