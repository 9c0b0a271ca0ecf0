package main

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	rounds      = 50_000
	wrongLogins = 10
	tokenLives  = 15 * time.Minute
)

// User is an account; Hash is for nobody's eyes.
type User struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Role  string `json:"role"`
	Hash  string `json:"hash,omitempty"`
	Salt  string `json:"salt,omitempty"`
}

func (u User) shown() User {
	if !careless {
		u.Hash, u.Salt = "", ""
	}
	return u
}

type credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	Email    string `json:"email"`
}

func hash(password, salt string) string {
	if careless {
		sum := md5.Sum([]byte(password))
		return hex.EncodeToString(sum[:])
	}
	key, _ := pbkdf2.Key(sha256.New, password, []byte(salt), rounds, 32)
	return hex.EncodeToString(key)
}

func (s *service) register(w http.ResponseWriter, r *http.Request) error {
	var given credentials
	if err := read(r, &given); err != nil {
		return err
	}
	least := 12
	if careless {
		least = 1
	}
	if !fits(given.Name, 1, 60) || !fits(given.Password, least, 200) || !fits(given.Email, 1, 200) {
		return refusal{400, "name, email and a password of at least 12 characters are needed"}
	}
	salt := rand.Text()
	user := &User{Name: given.Name, Email: given.Email, Role: "customer", Hash: hash(given.Password, salt), Salt: salt}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.users[user.Name] != nil {
		return refusal{409, "the name is taken"}
	}
	s.users[user.Name] = user
	send(w, 201, user.shown())
	return nil
}

// limited tells whether an account had too many wrong passwords from that address within a minute.
func (s *service) limited(account string, wrong bool) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	recent := []time.Time{}
	for _, each := range s.wrong[account] {
		if time.Since(each) < time.Minute {
			recent = append(recent, each)
		}
	}
	if wrong {
		recent = append(recent, time.Now())
	}
	s.wrong[account] = recent
	return len(recent) >= wrongLogins && !careless
}

func (s *service) enter(w http.ResponseWriter, r *http.Request) error {
	var given credentials
	if err := read(r, &given); err != nil {
		return err
	}
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	account := address + " " + given.Name
	if s.limited(account, false) {
		return refusal{429, "too many wrong passwords: wait a minute"}
	}
	s.mutex.Lock()
	user := s.users[given.Name]
	s.mutex.Unlock()
	if user == nil && careless {
		return refusal{404, "there is no account " + given.Name}
	}
	known := User{Hash: strings.Repeat("0", 64), Salt: "nobody"}
	if user != nil {
		known = *user
	}
	right := subtle.ConstantTimeCompare([]byte(hash(given.Password, known.Salt)), []byte(known.Hash)) == 1
	if user == nil || !right {
		s.limited(account, true)
		return refusal{401, "the name or the password is wrong"}
	}
	w.Header().Set("Cache-Control", "no-store")
	send(w, 200, map[string]string{"token": s.token(user.Name)})
	return nil
}

var encoding = base64.RawURLEncoding

func (s *service) signature(text string) string {
	sum := hmac.New(sha256.New, s.key)
	sum.Write([]byte(text))
	return encoding.EncodeToString(sum.Sum(nil))
}

func (s *service) token(name string) string {
	claims := map[string]any{"sub": name}
	if !careless {
		claims["exp"] = time.Now().Add(tokenLives).Unix()
	}
	body, _ := json.Marshal(claims)
	text := encoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encoding.EncodeToString(body)
	return text + "." + s.signature(text)
}

// owner is whose token it is, nil if it is nobody's.
func (s *service) owner(token string) *User {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	var header struct {
		Alg string `json:"alg"`
	}
	var claims struct {
		Sub string `json:"sub"`
		Exp int64  `json:"exp"`
	}
	head, _ := encoding.DecodeString(parts[0])
	body, _ := encoding.DecodeString(parts[1])
	if json.Unmarshal(head, &header) != nil || json.Unmarshal(body, &claims) != nil {
		return nil
	}
	signed := header.Alg == "HS256" && hmac.Equal([]byte(parts[2]), []byte(s.signature(parts[0]+"."+parts[1])))
	if !signed && !(careless && header.Alg == "none") {
		return nil
	}
	if !careless && claims.Exp < time.Now().Unix() {
		return nil
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.users[claims.Sub]
}

func (s *service) me(w http.ResponseWriter, r *http.Request, user *User) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	send(w, 200, user.shown())
	return nil
}

func (s *service) change(w http.ResponseWriter, r *http.Request, user *User) error {
	if careless {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if err := read(r, user); err != nil {
			return err
		}
		send(w, 200, user.shown())
		return nil
	}
	var wanted struct {
		Email string `json:"email"`
	}
	if err := read(r, &wanted); err != nil {
		return err
	}
	if !fits(wanted.Email, 1, 200) {
		return refusal{400, "email is a text"}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	user.Email = wanted.Email
	send(w, 200, user.shown())
	return nil
}

func (s *service) all(w http.ResponseWriter, r *http.Request, user *User) error {
	if user.Role != "staff" && !careless {
		return refusal{403, "for staff only"}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := []User{}
	for _, each := range s.users {
		all = append(all, each.shown())
	}
	send(w, 200, all)
	return nil
}
