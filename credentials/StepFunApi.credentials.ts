import type {
	Icon,
	ICredentialDataDecryptedObject,
	ICredentialTestRequest,
	ICredentialType,
	IHttpRequestOptions,
	INodeProperties,
} from 'n8n-workflow';

import { ACCOUNT_DEFAULTS } from '../nodes/StepFunImage/catalogue/defaults';
import { CUSTOM_SERVICE, SERVICES } from '../nodes/StepFunImage/catalogue/services';
import { parseCredential } from '../nodes/StepFunImage/transport/credential';

/** n8n reads the address of the credential's test as an expression over the credential. */
const BASE_URL_EXPRESSION =
	`={{ $credentials.service === '${CUSTOM_SERVICE}' ? ` +
	"($credentials.baseUrl || '').trim().replace(/[/]+$/, '') : $credentials.service }}";

export class StepFunApi implements ICredentialType {
	name = 'stepFunApi';

	displayName = 'StepFun API';

	icon: Icon = { light: 'file:../icons/stepfun.svg', dark: 'file:../icons/stepfun.dark.svg' };

	documentationUrl =
		'https://github.com/n8n-nodes-stepfun-image/n8n-nodes-stepfun-image#credential';

	properties: INodeProperties[] = [
		{
			displayName: 'Service',
			name: 'service',
			type: 'options',
			options: [
				...SERVICES.map(({ name, baseUrl, description }) => ({
					name,
					value: baseUrl,
					description,
				})),
				{
					name: 'Custom',
					value: CUSTOM_SERVICE,
					description: 'A gateway or a server of your own that speaks the same API',
				},
			],
			default: SERVICES[0].baseUrl,
			description: 'Where the requests go. A key of one region does not work in the other.',
		},
		{
			displayName: 'Base URL',
			name: 'baseUrl',
			type: 'string',
			required: true,
			default: '',
			placeholder: 'e.g. https://images.example.com/v1',
			description:
				'Address of the API up to and including its version. The node adds the rest, such as /images/generations.',
			displayOptions: { show: { service: [CUSTOM_SERVICE] } },
		},
		{
			displayName: 'API Key',
			name: 'apiKey',
			type: 'string',
			typeOptions: { password: true },
			required: true,
			default: '',
		},
		{
			displayName: 'Concurrent Requests',
			name: 'concurrentRequests',
			type: 'number',
			typeOptions: { minValue: 1, numberPrecision: 0 },
			default: ACCOUNT_DEFAULTS.concurrentRequests,
			description:
				"How many requests may be under way at once, over all items, nodes and workflows that use this key. StepFun's lowest tier allows 5.",
		},
		{
			displayName: 'Requests per Minute',
			name: 'requestsPerMinute',
			type: 'number',
			typeOptions: { minValue: 0, numberPrecision: 0 },
			default: ACCOUNT_DEFAULTS.requestsPerMinute,
			description:
				"How many requests may be started in a minute, counted in the same way. 0 means no limit of your own; StepFun's answers still slow the node down when it is too fast.",
		},
		{
			displayName: 'Ignore SSL Issues (Insecure)',
			name: 'ignoreSSLIssues',
			type: 'boolean',
			default: false,
			description:
				"Whether to connect even if the server's SSL certificate cannot be verified, for a server of your own with a certificate that it made itself",
			displayOptions: { show: { service: [CUSTOM_SERVICE] } },
		},
		{
			displayName: 'Add Custom Header',
			name: 'addCustomHeader',
			type: 'boolean',
			default: false,
			description:
				'Whether to send a header of your own with each request, as some gateways ask for',
			displayOptions: { show: { service: [CUSTOM_SERVICE] } },
		},
		{
			displayName: 'Header Name',
			name: 'headerName',
			type: 'string',
			default: '',
			placeholder: 'e.g. X-Gateway-Token',
			displayOptions: { show: { service: [CUSTOM_SERVICE], addCustomHeader: [true] } },
		},
		{
			displayName: 'Header Value',
			name: 'headerSecret',
			type: 'string',
			typeOptions: { password: true },
			default: '',
			displayOptions: { show: { service: [CUSTOM_SERVICE], addCustomHeader: [true] } },
		},
	];

	// A declaration could not leave the custom header out, and n8n would evaluate its expressions for every request.
	authenticate = async (
		credentials: ICredentialDataDecryptedObject,
		requestOptions: IHttpRequestOptions,
	): Promise<IHttpRequestOptions> => {
		const { apiKey, headers } = parseCredential(credentials);
		return {
			...requestOptions,
			headers: {
				...requestOptions.headers,
				Authorization: `Bearer ${apiKey}`,
				...Object.fromEntries(headers.map(({ name, value }) => [name, value])),
			},
		};
	};

	test: ICredentialTestRequest = {
		request: {
			baseURL: BASE_URL_EXPRESSION,
			url: '/models',
			// A redirect could carry the key to another host.
			disableFollowRedirect: true,
		},
		// n8n runs through both kinds of rule, though its type knows only lists of one kind.
		rules: [
			{
				type: 'responseCode',
				properties: {
					value: 401,
					message:
						'The API key was not accepted. Copy it again, and check that Service is the platform that issued it: keys of platform.stepfun.com and platform.stepfun.ai are not interchangeable.',
				},
			},
			{
				type: 'responseCode',
				properties: {
					value: 403,
					message: 'The API key is known, but it may not use this service.',
				},
			},
			{
				type: 'responseCode',
				properties: {
					value: 404,
					message:
						'The server answers, but not at this address: it has no /models. Check Service and Base URL; the Base URL usually ends in /v1.',
				},
			},
			{
				type: 'responseSuccessBody',
				properties: {
					key: 'data',
					value: undefined,
					message:
						'The server answers, but not as an image API: there is no list of models at this address. Check the Base URL; it usually ends in /v1.',
				},
			},
		] as unknown as ICredentialTestRequest['rules'],
	};
}
