import { RequestFailure } from '../../nodes/StepFunImage/errors/requestFailure';
import { backoffDelay, parseRetryAfter } from '../../nodes/StepFunImage/transport/retry';

describe('parseRetryAfter', () => {
	const now = Date.parse('2026-11-21T12:00:00Z');

	test.each([
		['seconds', '7', 7_000],
		['a fraction of seconds', '0.5', 500],
		['an HTTP date', 'Sat, 21 Nov 2026 12:00:30 GMT', 30_000],
		['a date that has passed', 'Sat, 21 Nov 2026 11:59:00 GMT', undefined],
		['zero, which is no pause', '0', undefined],
		['a negative number', '-3', undefined],
		['no header', undefined, undefined],
		['an empty header', ' ', undefined],
		['nonsense', 'soon', undefined],
	])('reads %s', (_what, value, expected) => {
		expect(parseRetryAfter(value, now)).toBe(expected);
	});
});

describe('backoffDelay', () => {
	test('doubles from one second and stops at thirty', () => {
		expect([1, 2, 3, 5, 6, 50].map((failures) => backoffDelay(failures, 1))).toEqual([
			1_000, 2_000, 4_000, 16_000, 30_000, 30_000,
		]);
	});

	test('is spread by up to a half', () => {
		expect(backoffDelay(3, 0)).toBe(2_000);
		expect(backoffDelay(3, 0.5)).toBe(3_000);
	});
});

describe('whether a failure is retryable', () => {
	test.each([408, 429, 500, 502, 503, 504])('is true for status %i', (status) => {
		expect(new RequestFailure('status', { status }).retryable).toBe(true);
	});

	test.each([302, 400, 401, 402, 403, 404, 413, 422, 451, 501])(
		'is false for status %i',
		(status) => {
			expect(new RequestFailure('status', { status }).retryable).toBe(false);
		},
	);

	test('is false for answers that arrived whole, since they were charged', () => {
		const kinds = ['contentFiltered', 'noImage', 'invalidJson', 'notAnImage', 'storage'] as const;
		expect(kinds.filter((kind) => new RequestFailure(kind).retryable)).toEqual([]);
	});
});
