import {
	authorizationHeaders,
	parseCredential,
} from '../../nodes/StepFunImage/transport/credential';

const CUSTOM = {
	service: 'custom',
	baseUrl: 'https://images.example.com/v1',
	apiKey: 'a-key-of-ours',
};

describe('Credential: the key', () => {
	test.each([
		['a-key', 'a-key'],
		['  a-key\n', 'a-key'],
		['Bearer a-key', 'a-key'],
		['bearer   a-key', 'a-key'],
		['a-\r\nkey', 'a-key'],
		['a-\n\n\nkey', 'a-key'],
		['a-\r-\nkey', 'a--key'],
		['a key', 'a key'],
		// A whole header, the word alone, and invisible characters, as they are copied.
		['Authorization: Bearer a-key', 'a-key'],
		['Bearer ', ''],
		['\u200ba-\u00adkey\u200b', 'a-key'],
		['Bearerkey', 'Bearerkey'],
		['my Bearer key', 'my Bearer key'],
		[undefined, ''],
		[7, '7'],
	])('%j is used as %j', (apiKey, used) => {
		expect(parseCredential({ ...CUSTOM, apiKey } as typeof CUSTOM).apiKey).toBe(used);
	});
});

describe('Credential: the address', () => {
	test.each([
		[{ baseUrl: 'https://images.example.com/v1/' }, 'https://images.example.com/v1'],
		[{ baseUrl: ' https://images.example.com/v1// ' }, 'https://images.example.com/v1'],
		[{ baseUrl: '\u200bhttps://images.example.com/v1\u200b/' }, 'https://images.example.com/v1'],
		[{ baseUrl: '/v1' }, '/v1'],
		[{ baseUrl: 'https://images.example.com/v1#keys' }, 'https://images.example.com/v1'],
		[{ baseUrl: 'https://images.example.com/v1/?a=b#keys' }, 'https://images.example.com/v1'],
		[{ baseUrl: undefined }, ''],
		[{ service: 'https://api.stepfun.com/v1' }, 'https://api.stepfun.com/v1'],
		[{ service: ' https://api.stepfun.ai/v1 ' }, 'https://api.stepfun.ai/v1'],
		[{ service: undefined }, ''],
	])('of %j is %s', (changes, baseUrl) => {
		expect(parseCredential({ ...CUSTOM, ...changes } as typeof CUSTOM).baseUrl).toBe(baseUrl);
	});
});

describe('Credential: custom headers and certificates', () => {
	const HEADER = { addCustomHeader: true, headerName: ' X-Team ', headerSecret: ' Acme-Images ' };

	test('A custom server gets the header, and may have a self-signed certificate', () => {
		const { headers, ignoreSslIssues } = parseCredential({
			...CUSTOM,
			...HEADER,
			ignoreSSLIssues: true,
		});
		expect(headers).toEqual([{ name: 'X-Team', value: 'Acme-Images' }]);
		expect(ignoreSslIssues).toBe(true);
	});

	test.each([
		['of StepFun', { service: 'https://api.stepfun.com/v1' }],
		['without the switch', { addCustomHeader: false }],
		['without a name', { headerName: ' ' }],
	])('A credential %s has no header', (_what, changes) => {
		expect(parseCredential({ ...CUSTOM, ...HEADER, ...changes }).headers).toEqual([]);
	});

	test('A certificate is checked unless the credential of a custom server says otherwise', () => {
		const ignores = (changes: object) => parseCredential({ ...CUSTOM, ...changes }).ignoreSslIssues;
		expect(ignores({})).toBe(false);
		expect(ignores({ ignoreSSLIssues: 'true' })).toBe(false);
		expect(ignores({ service: 'https://api.stepfun.com/v1', ignoreSSLIssues: true })).toBe(false);
	});

	test('The value of a header is redacted from texts and kept in links, and the key from both', () => {
		const { redactor } = parseCredential({ ...CUSTOM, ...HEADER });
		expect(redactor.text('Acme-Images a-key-of-ours')).toBe('*** ***');
		expect(redactor.link('Acme-Images a-key-of-ours')).toBe('Acme-Images ***');
	});
});

describe('Credential: the headers that carry it', () => {
	const headersOf = (changes: object) =>
		authorizationHeaders(parseCredential({ ...CUSTOM, ...changes } as typeof CUSTOM));

	test('are the key alone if the user added none', () => {
		expect(headersOf({})).toEqual({ Authorization: 'Bearer a-key-of-ours' });
		expect(headersOf({ apiKey: ' ' })).toEqual({});
	});

	test('are the headers of the list, except those without a name', () => {
		const values = [
			{ name: ' X-Team ', value: ' Acme ' },
			{ name: ' ', value: 'nothing' },
			{ name: 'X-Empty' },
			{ value: 'nameless' },
		];
		expect(headersOf({ headers: { values } })).toEqual({
			Authorization: 'Bearer a-key-of-ours',
			'X-Team': 'Acme',
			'X-Empty': '',
		});
		expect(headersOf({ service: 'https://api.stepfun.com/v1', headers: { values } })).toEqual({
			Authorization: 'Bearer a-key-of-ours',
		});
	});

	test('include the header of an older credential', () => {
		const headers = { values: [{ name: 'X-Team', value: 'Acme' }] };
		expect(
			headersOf({ headers, addCustomHeader: true, headerName: 'X-Old', headerSecret: 'old' }),
		).toEqual({ Authorization: 'Bearer a-key-of-ours', 'X-Team': 'Acme', 'X-Old': 'old' });
	});

	test('include a header of the same name only once, that of the list', () => {
		const headers = { values: [{ name: 'X-Team', value: 'Acme' }] };
		expect(
			headersOf({ headers, addCustomHeader: true, headerName: 'x-TEAM', headerSecret: 'old' }),
		).toEqual({ Authorization: 'Bearer a-key-of-ours', 'X-Team': 'Acme' });
	});

	test.each([[undefined], [{}], [{ values: 'x' }], [{ values: [] }]])(
		'are the key alone if the list is %j',
		(headers) => {
			expect(headersOf({ headers })).toEqual({ Authorization: 'Bearer a-key-of-ours' });
		},
	);

	test('may be another Authorization', () => {
		expect(
			headersOf({ headers: { values: [{ name: 'Authorization', value: 'Basic x' }] } }),
		).toEqual({ Authorization: 'Basic x' });
	});
});

describe('Credential: the format of the server', () => {
	test.each([
		[{ apiFormat: 'sglang' }, 'sglang', 1, true],
		[{ apiFormat: 'openai' }, 'openai', 5, true],
		[{ apiFormat: 'another' }, 'stepfun', 5, true],
		[{}, 'stepfun', 5, true],
		[{ service: 'https://api.stepfun.com/v1', apiFormat: 'sglang' }, 'stepfun', 5, false],
		[{ apiFormat: 'sglang', concurrentRequests: 3 }, 'sglang', 3, true],
		[{ apiFormat: 'sglang', concurrentRequests: 5 }, 'sglang', 1, true],
	])('of %j is %s, with %i requests at once', (changes, value, concurrentRequests, isCustom) => {
		const credential = parseCredential({ ...CUSTOM, ...changes });
		expect(credential.format.value).toBe(value);
		expect(credential.limits.concurrentRequests).toBe(concurrentRequests);
		expect(credential.isCustom).toBe(isCustom);
		expect(credential.fields).toEqual({ ...CUSTOM, ...changes });
	});
});

describe('Credential: what stands behind the address', () => {
	test.each([
		['https://images.example.com/v1', 'https://images.example.com/v1', ''],
		[
			'https://images.example.com/v1?api-version=1',
			'https://images.example.com/v1',
			'?api-version=1',
		],
		['https://images.example.com/v1/?a=b?c', 'https://images.example.com/v1', '?a=b?c'],
		['?a=b', '', '?a=b'],
		[
			'https://images.example.com/images/edits/v1',
			'https://images.example.com/images/edits/v1',
			'',
		],
		['https://images.example.com/v1/images/generations', 'https://images.example.com/v1', ''],
		['https://images.example.com/v1/images/edits/?a=b', 'https://images.example.com/v1', '?a=b'],
	])('%s', (entered, baseUrl, query) => {
		const credential = parseCredential({ ...CUSTOM, baseUrl: entered });
		expect([credential.baseUrl, credential.query]).toEqual([baseUrl, query]);
	});
});

describe('Credential: limits', () => {
	test.each([
		[{}, { concurrentRequests: 5, requestsPerMinute: 0 }],
		[
			{ concurrentRequests: 20, requestsPerMinute: 100 },
			{ concurrentRequests: 20, requestsPerMinute: 100 },
		],
		[
			{ concurrentRequests: '7', requestsPerMinute: '1.9' },
			{ concurrentRequests: 7, requestsPerMinute: 1 },
		],
		[
			{ concurrentRequests: 1, requestsPerMinute: 0 },
			{ concurrentRequests: 1, requestsPerMinute: 0 },
		],
		[
			{ concurrentRequests: 0, requestsPerMinute: -1 },
			{ concurrentRequests: 5, requestsPerMinute: 0 },
		],
		[
			{ concurrentRequests: 'many', requestsPerMinute: 'many' },
			{ concurrentRequests: 5, requestsPerMinute: 0 },
		],
	])('%j are read as %j', (entered, limits) => {
		expect(parseCredential({ ...CUSTOM, ...entered }).limits).toEqual(limits);
	});
});

describe('Credential: the account', () => {
	const idOf = (changes: object) => parseCredential({ ...CUSTOM, ...changes }).accountId;

	test('is the same for one key at one host, however they are written', () => {
		expect(idOf({ apiKey: 'Bearer a-key-of-ours' })).toBe(idOf({}));
		expect(idOf({ baseUrl: 'https://IMAGES.example.com/v2/' })).toBe(idOf({}));
		expect(idOf({ concurrentRequests: 9 })).toBe(idOf({}));
	});

	test('differs for another key, another host and each invalid address', () => {
		const ids = [
			idOf({}),
			idOf({ apiKey: 'another-key' }),
			idOf({ baseUrl: 'https://other.example.com/v1' }),
			idOf({ baseUrl: 'no address' }),
			idOf({ baseUrl: 'no other address' }),
		];
		expect(new Set(ids).size).toBe(ids.length);
	});

	test('differs for other headers or another query if there is no key', () => {
		const headers = (value: string) => ({ headers: { values: [{ name: 'X-Api-Key', value }] } });
		const changes = [
			{},
			headers('first-secret'),
			headers('second-secret'),
			{ baseUrl: `${CUSTOM.baseUrl}?key=first` },
			{ baseUrl: `${CUSTOM.baseUrl}?key=second` },
		];
		const ids = changes.map((change) => idOf({ apiKey: '', ...change }));
		expect(new Set(ids).size).toBe(ids.length);
		expect(new Set(changes.map(idOf)).size).toBe(1);
	});

	test('depends on where the host ends and the key begins', () => {
		const first = { baseUrl: 'https://images.example.co/v1', apiKey: 'my-key' };
		const second = { baseUrl: 'https://images.example.com/v1', apiKey: 'y-key' };
		expect(idOf(first)).not.toBe(idOf(second));
	});

	test('does not contain the key', () => {
		expect(idOf({})).toMatch(/^[0-9a-f]{64}$/);
	});
});

describe('Credential: redaction', () => {
	test('removes the key as it was entered and as it is used, and the password in the address', () => {
		const { redactor } = parseCredential({
			...CUSTOM,
			apiKey: 'a-key-of\nours-alone',
			baseUrl: 'https://me:pass%20phrase@images.example.com/v1',
		});
		expect(redactor.link('a-key-of\nours-alone')).toBe('***');
		expect(redactor.link('a-key-ofours-alone')).toBe('***');
		expect(redactor.link('pass phrase')).toBe('***');
	});

	test('removes a password that is not percent-encoded', () => {
		const { redactor } = parseCredential({
			...CUSTOM,
			baseUrl: 'https://me:100%sure-of-it@images.example.com/v1',
		});
		expect(redactor.link('is 100%sure-of-it')).toBe('is ***');
	});

	test.each([
		['Cookie', 'team=acme;  session=open-sesame-7'],
		['X-Auth', 'Basic open-sesame-7'],
		['Proxy-Token', 'first-secret,open-sesame-7'],
	])('removes each word of the header %s', (name, value) => {
		const headers = { values: [{ name, value }] };
		const { redactor } = parseCredential({ ...CUSTOM, headers });
		expect(redactor.text(`refused ${value}`)).toBe('refused ***');
		expect(redactor.text('refused open-sesame-7')).toBe('refused ***');
	});

	test('removes other headers only as a whole', () => {
		const headers = { values: [{ name: 'X-Team', value: 'Product Photography' }] };
		const { redactor } = parseCredential({ ...CUSTOM, headers });
		expect(redactor.text('Product Photography')).toBe('***');
		expect(redactor.text('No photography')).toBe('No photography');
	});

	test('keeps the rest of the address', () => {
		const { redactor } = parseCredential(CUSTOM);
		expect(redactor.text('https://images.example.com/v1')).toBe('https://images.example.com/v1');
		expect(() => parseCredential({ ...CUSTOM, baseUrl: 'no address' })).not.toThrow();
	});
});

describe('Credential: secrets in the address', () => {
	test.each(['key', 'api-key', 'access_token', 'sig'])('The parameter %s is secret', (name) => {
		const baseUrl = `https://images.example.com/v1?${name}=open%2Bsesame-7&api-version=2026-01-01`;
		const { redactor } = parseCredential({ ...CUSTOM, baseUrl });
		const text = 'no open+sesame-7 or open%2Bsesame-7 in 2026-01-01';
		expect(redactor.text(text)).toBe('no *** or *** in 2026-01-01');
		expect(redactor.link(text)).toBe('no *** or *** in 2026-01-01');
	});
});
