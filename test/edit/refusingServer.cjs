// A server in a process of its own, as servers are, that refuses uploads by their head and closes the connection.
const { createServer } = require('node:http');

const [, , status, way] = process.argv;
const said = JSON.stringify({ error: { message: 'The image is over 1 MB.' } });
let requests = 0;

const ends = {
	'keeps the connection': () => undefined,
	'closes the connection': ({ socket }) => socket.destroySoon(),
	'breaks the connection': ({ socket }) => socket.destroy(),
	'breaks the connection a moment later': ({ socket }) => setTimeout(() => socket.destroy(), 5),
};

const server = createServer((request, response) => {
	request.on('error', () => undefined);
	response.on('error', () => undefined);
	response.writeHead(Number(status), {
		'Content-Type': 'application/json',
		'Content-Length': said.length,
	});
	response.end(said, () => ends[way](request));
	process.send({ requests: ++requests });
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
