// Loaded before a program that gives its server no address to listen on, and so would listen on all of them.
const { Server } = require('node:net');

const { listen } = Server.prototype;

Server.prototype.listen = function (port, host, ...others) {
	return typeof port === 'number' && host === undefined
		? listen.call(this, port, '127.0.0.1', ...others)
		: listen.call(this, port, host, ...others);
};
