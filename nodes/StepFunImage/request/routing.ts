import type {
	IDataObject,
	IHttpRequestMethods,
	INodeProperties,
	INodePropertyOptions,
} from 'n8n-workflow';

/** A field of the panel. */
export interface Field {
	/** The path of the value in the parameters: the field's name, after that of its collection if it is in one. */
	path: string[];
	label: string;
	type: INodeProperties['type'];
	isRequired: boolean;
	/** The field of the API that it sets, if it sets one. */
	apiField?: string;
}

export type Routing = ReturnType<typeof readRouting>;

/**
 * Reads the routing from the node's own properties: each field declares the field of the API that it sets
 * (`routing.send`), and each operation its method and path (`routing.request`).
 */
export function readRouting(properties: INodeProperties[]) {
	const fields = new Map<string, Field>();
	const operations = new Map<string, { method: IHttpRequestMethods; path: string }>();
	const addField = (property: INodeProperties, ...path: string[]) => {
		const { displayName: label, type, required, routing } = property;
		const { type: place, property: name } = routing?.send ?? {};
		const apiField = place === 'body' ? name : undefined;
		// The panel has several variants of some fields, for models with different limits.
		fields.set(path.join('.'), { path, label, type, isRequired: required === true, apiField });
	};

	for (const property of properties) {
		const { name, type, options = [], displayOptions } = property;
		addField(property, name);
		if (type === 'collection') {
			for (const field of options as INodeProperties[]) addField(field, name, field.name);
		}
		if (name !== 'operation') continue;
		const [resource] = displayOptions?.show?.resource ?? [];
		for (const { value, routing } of options as INodePropertyOptions[]) {
			const { method, url } = routing?.request ?? {};
			if (method === undefined || typeof url !== 'string') continue;
			operations.set(`${String(resource)} ${value}`, { method, path: url });
		}
	}
	return { fields: [...fields.values()], operations };
}

/** Finds an operation by its resource and name, such as `image generate`. */
export function findOperation({ operations }: Routing, operation: string) {
	return operations.get(operation) ?? { method: 'POST', path: '' };
}

/** The value at a path in the node's parameters; `undefined` if there is none. */
export function valueAt(parameters: unknown, path: string[]): unknown {
	return path.reduce((inner, name) => (inner as IDataObject | undefined)?.[name], parameters);
}
