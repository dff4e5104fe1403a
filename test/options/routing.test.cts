import type { INodeProperties, INodePropertyOptions } from 'n8n-workflow';

import { readRouting } from '../../nodes/StepFunImage/request/routing';

const field = (name: string, more: Partial<INodeProperties> = {}): INodeProperties => ({
	displayName: name.toUpperCase(),
	name,
	type: 'string',
	default: '',
	...more,
});

const sent = (property: string, type: 'body' | 'query' = 'body') => ({
	routing: { send: { type, property } },
});

describe('Routing: fields', () => {
	test('A field that declares a property of the body is sent there', () => {
		const { fields } = readRouting([
			field('prompt', { required: true, ...sent('prompt') }),
			field('seedNumber', { type: 'number', ...sent('seed') }),
		]);
		expect(fields).toEqual([
			{
				path: ['prompt'],
				apiField: 'prompt',
				label: 'PROMPT',
				type: 'string',
				isRequired: true,
			},
			{
				path: ['seedNumber'],
				apiField: 'seed',
				label: 'SEEDNUMBER',
				type: 'number',
				isRequired: false,
			},
		]);
	});

	test('A field that declares no property of the body is not sent', () => {
		const { fields, operations } = readRouting([
			field('output'),
			field('page', sent('page', 'query')),
			field('empty', { routing: {} }),
			field('nameless', { routing: { send: { type: 'body' } } }),
		]);
		expect(fields.map(({ apiField }) => apiField)).toEqual(Array(4).fill(undefined));
		expect(operations.size).toBe(0);
	});

	test('Fields of a collection are found by both names, and fields of other lists are not', () => {
		const { fields } = readRouting([
			field('options', { type: 'collection', options: [field('steps', sent('steps'))] }),
			field('group', { type: 'multiOptions', options: [field('cfg', sent('cfg_scale'))] }),
		]);
		expect(fields.map(({ path, apiField }) => [path, apiField])).toEqual([
			[['options'], undefined],
			[['options', 'steps'], 'steps'],
			[['group'], undefined],
		]);
	});

	test('A field with several variants in the panel is one field', () => {
		const { fields } = readRouting([
			field('size', sent('size')),
			field('options', { type: 'collection', options: [field('size', sent('size'))] }),
			field('optionssize', sent('size')),
			field('size', { displayName: 'Size', ...sent('size') }),
		]);
		expect(fields.map(({ path, label }) => [path, label])).toEqual([
			[['size'], 'Size'],
			[['options'], 'OPTIONS'],
			[['options', 'size'], 'SIZE'],
			[['optionssize'], 'OPTIONSSIZE'],
		]);
	});
});

describe('Routing: operations', () => {
	const operation = (value: string, request?: object): INodePropertyOptions => ({
		name: value,
		value,
		...(request ? { routing: { request } } : {}),
	});
	const operationsOf = (more: Partial<INodeProperties>) =>
		Object.fromEntries(readRouting([field('operation', more)]).operations);

	test('An operation is found by its resource and its name', () => {
		const options = [
			operation('generate', { method: 'POST', url: '/images/generations' }),
			operation('list', { method: 'GET', url: '/images' }),
		];
		expect(operationsOf({ options, displayOptions: { show: { resource: ['image'] } } })).toEqual({
			'image generate': { method: 'POST', path: '/images/generations' },
			'image list': { method: 'GET', path: '/images' },
		});
	});

	test('An operation without a complete request is ignored', () => {
		const options = [
			operation('none'),
			operation('pathless', { method: 'GET' }),
			operation('methodless', { url: '/images' }),
			operation('numbered', { method: 'GET', url: 7 }),
			{ ...operation('routed'), routing: {} },
		];
		expect(operationsOf({ options, displayOptions: { show: { resource: ['image'] } } })).toEqual(
			{},
		);
	});

	test('The name of an operation that is shown for every resource contains no resource', () => {
		const options = [operation('ping', { method: 'GET', url: '/ping' })];
		const expected = { 'undefined ping': { method: 'GET', path: '/ping' } };
		expect(operationsOf({ options })).toEqual(expected);
		expect(operationsOf({ options, displayOptions: {} })).toEqual(expected);
		expect(operationsOf({ options, displayOptions: { show: {} } })).toEqual(expected);
	});
});
