// Makes the replica set of MONGO_MEMBERS at the first check, then answers whether this member knows who takes writes.
try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  rs.initiate({ _id: "rs0", members: process.env.MONGO_MEMBERS.split(",").map((host, _id) => ({ _id, host })) });
}
if (!db.hello().primary) quit(1);
