import {
	balanceCurrencyOf,
	currencyOf,
	CUSTOM_SERVICE,
	isStepFunHost,
	isWebAddress,
	SERVICES,
} from '../../nodes/StepFunImage/catalogue/services';

test('The catalogue has the four addresses of StepFun, and the currency of those that charge by the image', () => {
	expect(SERVICES.map(({ name, baseUrl, currency }) => [name, baseUrl, currency])).toEqual([
		['StepFun China', 'https://api.stepfun.com/v1', 'cny'],
		['StepFun International', 'https://api.stepfun.ai/v1', 'usd'],
		['Step Plan China', 'https://api.stepfun.com/step_plan/v1', undefined],
		['Step Plan International', 'https://api.stepfun.ai/step_plan/v1', undefined],
	]);
	expect(CUSTOM_SERVICE).toBe('custom');
});

test('Every service says how it is paid and where its key comes from', () => {
	for (const { name, baseUrl, description } of SERVICES) {
		const platform = new URL(baseUrl).host.replace('api.', 'platform.');
		const paid = name.startsWith('Step Plan') ? 'Subscription' : 'Pay as you go';
		expect(description).toBe(`${paid}, key from ${platform}`);
	}
});

test.each([
	['https://api.stepfun.com/v1', 'cny', 'cny', true],
	['https://api.stepfun.ai/v1', 'usd', undefined, true],
	['https://api.stepfun.com/step_plan/v1', undefined, 'cny', true],
	['https://api.stepfun.com/elsewhere', undefined, 'cny', true],
	['https://images.example.com/v1', undefined, undefined, false],
	['https://api.stepfun.com.example.com/v1', undefined, undefined, false],
	['no address', undefined, undefined, false],
])(
	'%s charges in %s, shows its balance in %s, and belongs to StepFun: %s',
	(url, currency, balance, isStepFun) => {
		expect(currencyOf(url)).toBe(currency);
		expect(balanceCurrencyOf(url)).toBe(balance);
		expect(isStepFunHost(url)).toBe(isStepFun);
	},
);

test.each([
	['https://images.example.com/v1', true],
	['http://127.0.0.1:8080', true],
	['HTTPS://IMAGES.EXAMPLE.COM', true],
	['ftp://images.example.com', false],
	['images.example.com', false],
	['see https://images.example.com', false],
	['https://', false],
	['https:/images.example.com', false],
	['https://exa mple.com', false],
	['httpx://images.example.com', false],
	['view-source:https://images.example.com', false],
	['', false],
])('%j is a valid address for requests: %s', (text, isAddress) => {
	expect(isWebAddress(text)).toBe(isAddress);
});
