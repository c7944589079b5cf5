// Verifies a folder of credentials with Digital Bazaar's libraries, without a network:
//
//   node verify.mjs DIR
//
// DIR/contexts/index.json   {"<context URL>": "<file>"}, beside the files it names
// DIR/did.json              the issuer's DID document
// DIR/status/*.json         signed status list credentials
// DIR/credentials/*.json    signed credentials
//
// Prints {"credentials": [{"file", "id", "verified", "revoked", "error"}]} and exits with 1 unless every credential is
// verified (a revoked one is: its proof holds, and its status list says so).
import {readFile, readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {checkStatus, statusTypeMatches} from '@digitalbazaar/vc-bitstring-status-list';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {verifyCredential} from '@digitalbazaar/vc';

const MULTIKEY = 'https://w3id.org/security/multikey/v1';

const readJson = async path => JSON.parse(await readFile(path, 'utf8'));

async function readFolder(path) {
  const names = (await readdir(path)).filter(name => name.endsWith('.json')).sort();
  return Promise.all(names.map(async name => ({name, document: await readJson(join(path, name))})));
}

async function bundledDocuments(folder) {
  const documents = new Map();
  const index = await readJson(join(folder, 'contexts', 'index.json'));
  for(const [url, file] of Object.entries(index)) {
    documents.set(url, await readJson(join(folder, 'contexts', file)));
  }
  const did = await readJson(join(folder, 'did.json'));
  documents.set(did.id, did);
  for(const method of did.verificationMethod) {
    documents.set(method.id, {'@context': MULTIKEY, ...method});
  }
  for(const {document} of await readFolder(join(folder, 'status'))) {
    documents.set(document.id, document);
  }
  return documents;
}

function loaderOf(documents) {
  return async url => {
    if(!documents.has(url)) {
      throw new Error(`${url} is not bundled, and nothing is fetched`);
    }
    return {contextUrl: null, documentUrl: url, document: documents.get(url)};
  };
}

function reason(error) {
  const causes = [error, ...(error?.errors ?? [])];
  return causes.filter(Boolean).map(cause => `${cause.name}: ${cause.message}`).join('; ');
}

async function verify(credential, documentLoader) {
  let revoked = false;
  const checkAndNote = async options => {
    const result = await checkStatus(options);
    revoked = Boolean(result.results?.some(({status}) => status));
    return result;
  };
  const suite = new DataIntegrityProof({cryptosuite});
  const hasStatus = credential.credentialStatus && statusTypeMatches({credential});
  const result = await verifyCredential({
    credential, suite, documentLoader, ...(hasStatus && {checkStatus: checkAndNote})
  });
  return {verified: result.verified, revoked, error: result.verified ? null : reason(result.error)};
}

const [folder] = process.argv.slice(2);
if(!folder) {
  console.error('usage: node verify.mjs DIR');
  process.exit(2);
}
const documentLoader = loaderOf(await bundledDocuments(folder));
const credentials = [];
for(const {name, document} of await readFolder(join(folder, 'credentials'))) {
  credentials.push({file: name, id: document.id, ...await verify(document, documentLoader)});
}
console.log(JSON.stringify({credentials}, null, 1));
process.exitCode = credentials.length > 0 && credentials.every(({verified}) => verified) ? 0 : 1;
