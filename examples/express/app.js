// A rental of bikes on Express: pages, a login, and an API with a document. `node app.js careless` is its faulty twin:
// each line that asks `careless` is a mistake that Express' own list of good practices warns of (README.md).
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import express from "express";
import { ipKeyGenerator, rateLimit } from "express-rate-limit";
import session from "express-session";
import helmet from "helmet";
import memoryStore from "memorystore";

const careless = process.argv[2] === "careless";
const here = import.meta.dirname;
if (!careless && !process.env.SESSION_SECRET) throw new Error("SESSION_SECRET is not set");
const hashed = promisify(scrypt);
const describe = JSON.parse(readFileSync(`${here}/openapi.json`, "utf8"));
const partners = { map: "https://map.example.org/bikes", weather: "https://weather.example.org/" };
const bikes = [
  { id: 1, name: "Cargo Anna", kind: "cargo", price: 30 },
  { id: 2, name: "City Ben", kind: "city", price: 12 },
  { id: 3, name: "Folding Cleo", kind: "folding", price: 15 },
];
const users = new Map();
const bookings = new Map();
const nobody = await made("", randomBytes(9).toString("hex"), "");
let lastBooking = 0;

async function made(username, password, email) {
  const salt = randomBytes(16).toString("hex");
  return { username, email, phone: "", role: "customer", discount: 0, salt, hash: (await hashed(password, salt, 32)).toString("hex") };
}

const member = ({ username, email, phone, role, discount }) => ({ username, email, phone, role, discount });
const escaped = (text) => String(text).replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`);
const page = (title, body) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width"></head><body><header><nav><a href="/">Bikes</a> <a href="/search">Search</a>
<a href="/account">Account</a> <a href="/out?to=map">Map</a></nav></header><main><h1>${title}</h1>${body}</main></body></html>`;
const listed = (some) => `<ul>${some.map((bike) => `<li><a href="/bikes/${bike.id}">${escaped(bike.name)}</a></li>`).join("")}</ul>`;
const text = (value, most) => (typeof value === "string" && value !== "" && [...value].length <= most ? value : undefined);
const refuse = (status, error) => Object.assign(new Error(error), { status, expose: true });

const app = express();
app.set("trust proxy", "loopback");
app.set("query parser", "simple");
if (careless) {
  app.use((request, answer, next) => {
    answer.set({ "Access-Control-Allow-Origin": request.get("Origin") ?? "*", "Access-Control-Allow-Credentials": "true" });
    next();
  });
  app.use(session({ secret: "keyboard cat", resave: false, saveUninitialized: true, cookie: { httpOnly: false } }));
  app.use("/static", express.static(here, { dotfiles: "allow" }));
} else {
  app.disable("x-powered-by");
  app.use(helmet({ contentSecurityPolicy: { directives: { styleSrc: ["'self'"], formAction: ["'self'"] } } }));
  app.use((request, answer, next) => {
    answer.set({ "Permissions-Policy": "camera=(), microphone=(), geolocation=()", "Cache-Control": "no-store" });
    next();
  });
  app.use(session({
    name: "id", secret: process.env.SESSION_SECRET, resave: false, saveUninitialized: false,
    store: new (memoryStore(session))({ checkPeriod: 3_600_000 }),
    cookie: { httpOnly: true, sameSite: "strict", secure: "auto", maxAge: 3_600_000 },
  }));
  app.use("/static", express.static(`${here}/static`));
}
app.use(express.json({ limit: "20kb" }), express.urlencoded({ extended: false, limit: "20kb" }));

const limited = careless ? (request, answer, next) => next() : rateLimit({
  windowMs: 60_000, limit: 10, skipSuccessfulRequests: true, standardHeaders: "draft-8", legacyHeaders: false,
  keyGenerator: (request) => `${ipKeyGenerator(request.ip)} ${request.body?.username}`,
});

async function enter(request) {
  const { username, password } = request.body ?? {};
  if (!text(username, 60) || !text(password, 200)) throw refuse(400, "username and password are needed");
  const user = users.get(username);
  if (careless && !user) throw refuse(404, `there is no account ${username}`);
  const { salt, hash } = user ?? nobody;
  const right = timingSafeEqual(await hashed(password, salt, 32), Buffer.from(hash, "hex"));
  if (!user || !right) throw refuse(401, "the name or the password is wrong");
  if (!careless) await promisify(request.session.regenerate.bind(request.session))();
  request.session.username = username;
  return user;
}

function loggedIn(request, answer, next) {
  request.user = users.get(request.session.username);
  next(request.user ? undefined : refuse(401, "log in first"));
}

function staff(request, answer, next) {
  next(careless || request.user.role === "staff" ? undefined : refuse(403, "for staff only"));
}

function ownBooking(request, answer, next) {
  request.booking = bookings.get(Number(request.params.id));
  const found = request.booking && (careless || request.booking.username === request.user.username);
  next(found ? undefined : refuse(404, "there is no such booking"));
}

app.get("/", (request, answer) => answer.send(page("Bikes", listed(bikes))));
app.get("/search", (request, answer) => {
  const words = String(request.query.q ?? "");
  const found = bikes.filter((bike) => bike.name.toLowerCase().includes(words.toLowerCase()));
  answer.send(page("Search", `<form><label>Name <input name="q"></label><button>Search</button></form>
<p>${found.length} found for ${careless ? words : escaped(words)}</p>${listed(found)}`));
});
app.get("/bikes/:id", (request, answer) => {
  const bike = bikes.find((each) => String(each.id) === request.params.id);
  if (!bike) throw refuse(404, "there is no such bike");
  answer.send(page(escaped(bike.name), `<p>${bike.price} a day. <a href="/account">Book it</a></p>`));
});
app.get("/out", (request, answer) => {
  const place = careless ? partners[request.query.to] ?? request.query.to : partners[request.query.to];
  if (!place) throw refuse(404, "there is no such partner");
  answer.redirect(place);
});
app.get("/login", (request, answer) => answer.send(page("Log in", `<form method="post" action="/login">
<label>Name <input name="username" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label><button>Log in</button></form>`)));
app.post("/login", limited, async (request, answer) => {
  await enter(request);
  answer.redirect(303, "/account");
});
app.get("/account", (request, answer) => {
  const user = users.get(request.session.username);
  if (!user) return answer.redirect("/login");
  const own = [...bookings.values()].filter((each) => each.username === user.username);
  answer.send(page("Account", `<p>${escaped(user.username)}, ${own.length} bookings</p>`));
});

app.get("/healthz", (request, answer) => answer.json({ status: "ok" }));
app.get("/openapi.json", (request, answer) => answer.json(describe));
app.get("/api/bikes", (request, answer) => {
  const { kind } = request.query;
  answer.json(bikes.filter((bike) => kind === undefined || bike.kind === kind));
});
app.get("/api/bikes/:id", (request, answer) => {
  const bike = bikes.find((each) => String(each.id) === request.params.id);
  if (!bike) throw refuse(404, "there is no such bike");
  answer.json(bike);
});
app.post("/api/register", async (request, answer) => {
  const { username, password, email } = request.body ?? {};
  if (!text(username, 60) || !text(password, 200) || !text(email, 200)) throw refuse(400, "username, password and email are needed");
  if (password.length < 12 && !careless) throw refuse(400, "the password has less than 12 characters");
  if (users.has(username)) throw refuse(409, "the name is taken");
  const user = await made(username, password, email);
  // somebody else may have taken it while the password was hashed
  if (users.has(username) && !careless) throw refuse(409, "the name is taken");
  users.set(username, user);
  answer.status(201).json(careless ? user : member(user));
});
app.post("/api/login", limited, async (request, answer) => answer.json(member(await enter(request))));
app.post("/api/logout", (request, answer) => request.session.destroy(() => answer.status(204).end()));
app.get("/api/me", loggedIn, (request, answer) => answer.json(careless ? request.user : member(request.user)));
app.patch("/api/me", loggedIn, (request, answer) => {
  const { email, phone } = request.body ?? {};
  if (careless) Object.assign(request.user, request.body);
  else if ((email !== undefined && !text(email, 200)) || (phone !== undefined && !text(phone, 40))) throw refuse(400, "email and phone are texts");
  else Object.assign(request.user, email && { email }, phone && { phone });
  answer.json(careless ? request.user : member(request.user));
});
app.get("/api/bookings", loggedIn, (request, answer) => {
  answer.json([...bookings.values()].filter((each) => each.username === request.user.username));
});
app.post("/api/bookings", loggedIn, (request, answer) => {
  const { bike, day, note = "" } = request.body ?? {};
  if (!careless && (!bikes.some((each) => each.id === bike) || !/^\d{4}-\d\d-\d\d$/.test(day) || (note !== "" && !text(note, 200)))) throw refuse(400, "bike and day are needed");
  const booking = { id: ++lastBooking, username: request.user.username, bike: bikes.find((each) => each.id === bike).id, day, note };
  bookings.set(booking.id, booking);
  answer.status(201).json(booking);
});
app.get("/api/bookings/:id", loggedIn, ownBooking, (request, answer) => answer.json(request.booking));
app.delete("/api/bookings/:id", loggedIn, ownBooking, (request, answer) => {
  bookings.delete(request.booking.id);
  answer.status(204).end();
});
app.get("/api/users", loggedIn, staff, (request, answer) => answer.json([...users.values()].map(careless ? (user) => user : member)));

if (!careless) {
  app.use(() => {
    throw refuse(404, "there is nothing here");
  });
  app.use((error, request, answer, next) => {
    const status = error.expose ? error.status : 500;
    if (status === 500) console.error(error);
    const said = error.expose ? error.message : "something went wrong";
    answer.status(status);
    if (request.path.startsWith("/api/")) answer.json({ error: said });
    else answer.send(page("Not possible", `<p>${escaped(said)}</p>`));
  });
}
const server = app.listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
