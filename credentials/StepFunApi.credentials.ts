import type {
	Icon,
	ICredentialDataDecryptedObject,
	ICredentialType,
	IHttpRequestOptions,
	INodeProperties,
} from 'n8n-workflow';

import { ACCOUNT_DEFAULTS } from '../nodes/StepFunImage/catalogue/defaults';
import { SERVER_FORMATS, STEPFUN_FORMAT } from '../nodes/StepFunImage/catalogue/serverFormats';
import { CUSTOM_SERVICE, SERVICES } from '../nodes/StepFunImage/catalogue/services';
import {
	authorizationHeaders,
	readAuthorization,
} from '../nodes/StepFunImage/transport/credential';

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
				...SERVICES.map(({ name, baseUrl: value, description }) => ({ name, value, description })),
				{
					name: 'Custom',
					value: CUSTOM_SERVICE,
					description: 'A gateway, or a server of your own or of another provider',
				},
			],
			default: SERVICES[0].baseUrl,
			description:
				'The platform that issued your key, or Custom for any other server. A key from one region does not work in the other.',
		},
		{
			displayName: 'Base URL',
			name: 'baseUrl',
			type: 'string',
			required: true,
			default: '',
			placeholder: 'e.g. https://images.example.com/v1',
			description:
				'Address of the API up to and including its version. The node adds the rest, such as /images/generations, and keeps a query at the end.',
			displayOptions: { show: { service: [CUSTOM_SERVICE] } },
		},
		{
			displayName: 'API Format',
			name: 'apiFormat',
			type: 'options',
			options: SERVER_FORMATS.map(({ name, value, description }) => ({ name, value, description })),
			default: STEPFUN_FORMAT.value,
			description:
				'How the server names the settings, and what it returns. The node refuses a setting that the server does not support before it sends anything.',
			displayOptions: { show: { service: [CUSTOM_SERVICE] } },
		},
		{
			displayName: 'API Key',
			name: 'apiKey',
			type: 'string',
			typeOptions: { password: true },
			default: '',
			description: 'The key that the service issued. A server of your own may not need one.',
		},
		{
			displayName: 'Concurrent Requests',
			name: 'concurrentRequests',
			type: 'number',
			typeOptions: { minValue: 1, numberPrecision: 0 },
			default: ACCOUNT_DEFAULTS.concurrentRequests,
			description:
				"The maximum number of requests at once, across all items, nodes and workflows that use this key. StepFun's lowest tier allows 5. If you leave it at 5, servers that generate one image at a time get one request at a time.",
		},
		{
			displayName: 'Requests per Minute',
			name: 'requestsPerMinute',
			type: 'number',
			typeOptions: { minValue: 0, numberPrecision: 0 },
			default: ACCOUNT_DEFAULTS.requestsPerMinute,
			description:
				'The maximum number of requests per minute, across all items, nodes and workflows that use this key. 0 means no limit; the node still slows down when the service requires it.',
		},
		{
			displayName: 'Ignore SSL Issues (Insecure)',
			name: 'ignoreSSLIssues',
			type: 'boolean',
			default: false,
			description:
				"Whether to connect even if the server's SSL certificate cannot be verified, for example on your own server with a self-signed certificate",
			displayOptions: { show: { service: [CUSTOM_SERVICE] } },
		},
		{
			displayName: 'Headers',
			name: 'headers',
			type: 'fixedCollection',
			typeOptions: { multipleValues: true },
			placeholder: 'Add Header',
			default: {},
			description: 'Headers to send with each request, which some gateways require',
			displayOptions: { show: { service: [CUSTOM_SERVICE] } },
			options: [
				{
					displayName: 'Header',
					name: 'values',
					values: [
						{
							displayName: 'Name',
							name: 'name',
							type: 'string',
							default: '',
							placeholder: 'e.g. X-Gateway-Token',
						},
						{
							displayName: 'Value',
							name: 'value',
							type: 'string',
							typeOptions: { password: true },
							default: '',
						},
					],
				},
			],
		},
		// The single header of older credentials. n8n passes on only the fields that are declared here.
		{ displayName: 'Add Custom Header', name: 'addCustomHeader', type: 'hidden', default: false },
		{ displayName: 'Header Name', name: 'headerName', type: 'hidden', default: '' },
		{
			displayName: 'Header Value',
			name: 'headerSecret',
			type: 'hidden',
			typeOptions: { password: true },
			default: '',
		},
	];

	// A declarative `authenticate` could not omit headers, and n8n would evaluate its expressions for every request.
	authenticate = async (
		credentials: ICredentialDataDecryptedObject,
		requestOptions: IHttpRequestOptions,
	): Promise<IHttpRequestOptions> => {
		const headers = authorizationHeaders(readAuthorization(credentials));
		return { ...requestOptions, headers: { ...requestOptions.headers, ...headers } };
	};
}
