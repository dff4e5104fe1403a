'use strict';

const { dirname, join } = require('node:path');

const n8nFolder = join(process.env.N8N_FOLDER, 'node_modules/n8n');
const coreFolder = dirname(require.resolve('n8n-core/package.json', { paths: [n8nFolder] }));

/**
 * Finds n8n's packages in the n8n under test instead of this repository's node_modules. What n8n itself imports
 * is found from where it lies, as ever.
 */
module.exports = (request, options) => {
	const isN8n = /^(n8n-core|n8n-workflow|@n8n\/[^/]+)(\/|$)/.test(request);
	if (!isN8n || options.basedir.startsWith(process.env.N8N_FOLDER)) {
		return options.defaultResolver(request, options);
	}
	const from = request.startsWith('n8n-core') ? n8nFolder : coreFolder;
	return options.defaultResolver(request, { ...options, basedir: from });
};
