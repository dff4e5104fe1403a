import type { IHttpRequestMethods, INodeProperties, INodePropertyOptions } from 'n8n-workflow';

/** A field of the node that fills a field of the API. */
export interface RoutedField {
	/** Where the value stands in the node's parameters: one name, or the collection's and the field's. */
	path: [string] | [string, string];
	/** The field of the API. */
	apiField: string;
	/** What people call it. */
	label: string;
	type: INodeProperties['type'];
	isRequired: boolean;
}

/** What the node's declarations say of an operation. */
export interface RoutedOperation {
	method: IHttpRequestMethods;
	path: string;
}

export interface Routing {
	fields: RoutedField[];
	/** By resource and operation, such as `image generate`. */
	operations: Map<string, RoutedOperation>;
}

/**
 * Reads what is sent, and where, from the node's own properties: each field declares the field of the API that it
 * fills (`routing.send`), each operation its method and path (`routing.request`).
 *
 * @param properties the properties of the node's description
 */
export function readRouting(properties: INodeProperties[]): Routing {
	const fields = new Map<string, RoutedField>();
	const operations: Routing['operations'] = new Map();
	const addField = (property: INodeProperties, path: RoutedField['path']) => {
		const apiField = property.routing?.send?.property;
		if (property.routing?.send?.type !== 'body' || apiField === undefined) return;
		// The same field stands in the panel once for each model that has other limits for it.
		fields.set(path.join('.'), {
			path,
			apiField,
			label: property.displayName,
			type: property.type,
			isRequired: property.required === true,
		});
	};

	for (const property of properties) {
		addField(property, [property.name]);
		if (property.type === 'collection') {
			for (const field of property.options as INodeProperties[]) {
				addField(field, [property.name, field.name]);
			}
		}
		if (property.name !== 'operation') continue;
		const [resource] = property.displayOptions?.show?.resource ?? [];
		for (const { value, routing } of property.options as INodePropertyOptions[]) {
			const { method, url } = routing?.request ?? {};
			if (method === undefined || typeof url !== 'string') continue;
			operations.set(`${String(resource)} ${value}`, { method, path: url });
		}
	}
	return { fields: [...fields.values()], operations };
}
