import type {
	IDataObject,
	IHttpRequestMethods,
	INodeProperties,
	INodePropertyOptions,
} from 'n8n-workflow';

/** A field of the node that sets a field of the API. */
export interface RoutedField {
	/** The path of the value in the parameters: the field's name, after that of its collection if it is in one. */
	path: string[];
	/** The field of the API. */
	apiField: string;
	/** The label in the panel. */
	label: string;
	type: INodeProperties['type'];
	isRequired: boolean;
}

/** The method and path that the node's properties declare for an operation. */
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
 * Reads the routing from the node's own properties: each field declares the field of the API that it sets
 * (`routing.send`), and each operation its method and path (`routing.request`).
 *
 * @param properties the properties of the node's description
 */
export function readRouting(properties: INodeProperties[]): Routing {
	const fields = new Map<string, RoutedField>();
	const operations: Routing['operations'] = new Map();
	const addField = (property: INodeProperties, path: RoutedField['path']) => {
		const apiField = property.routing?.send?.property;
		if (property.routing?.send?.type !== 'body' || apiField === undefined) return;
		// The panel has several variants of some fields, for models with different limits.
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

/** Finds an operation by its resource and name, such as `image generate`. */
export function findOperation({ operations }: Routing, operation: string): RoutedOperation {
	return operations.get(operation) ?? { method: 'POST', path: '' };
}

/** The value at a path in the node's parameters; `undefined` if there is none. */
export function valueAt(parameters: unknown, path: string[]): unknown {
	return path.reduce((inner, name) => (inner as IDataObject | undefined)?.[name], parameters);
}
