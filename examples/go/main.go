// Parcels that their senders follow, on Go's standard library: an API with bearer tokens, and two pages.
// `parcels careless` is the faulty twin: what asks `careless` is a mistake of its own kind (README.md).
package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/pprof"
	"net/url"
	"os"
	"os/signal"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	texttemplate "text/template"
	"time"
	"unicode/utf8"
)

//go:embed files openapi.json page.html
var embedded embed.FS

var careless = len(os.Args) > 1 && os.Args[1] == "careless"

type Parcel struct {
	ID     int     `json:"id"`
	Sender string  `json:"sender"`
	To     string  `json:"to"`
	Weight float64 `json:"weight"`
	Price  float64 `json:"price"`
	State  string  `json:"state"`
}

// refusal is an error that its reader may know of.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return r.text }

type service struct {
	mutex   sync.Mutex
	users   map[string]*User
	parcels map[int]*Parcel
	last    int
	wrong   map[string][]time.Time
	key     []byte
}

type handler func(http.ResponseWriter, *http.Request) error

func (s *service) answer(handle handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if problem := recover(); problem != nil {
				log.Printf("panic at %s: %v", r.URL.Path, problem)
				if careless {
					http.Error(w, fmt.Sprintf("panic: %v\n%s", problem, debug.Stack()), 500)
				} else {
					send(w, 500, map[string]string{"error": "something went wrong"})
				}
			}
		}()
		if !careless {
			r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		}
		err := handle(w, r)
		var known refusal
		switch {
		case err == nil:
		case errors.As(err, &known):
			send(w, known.status, map[string]string{"error": known.text})
		case careless:
			http.Error(w, fmt.Sprintf("%#v: %v", err, err), 500)
		default:
			log.Printf("%s: %v", r.URL.Path, err)
			send(w, 500, map[string]string{"error": "something went wrong"})
		}
	}
}

func send(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

func fits(text string, least, most int) bool {
	length := utf8.RuneCountInString(text)
	return length >= least && length <= most
}

func read(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	if careless {
		return decoder.Decode(into)
	}
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return refusal{400, "this is not the JSON that is described"}
	}
	return nil
}

type loggedIn func(http.ResponseWriter, *http.Request, *User) error

func (s *service) login(handle loggedIn) http.HandlerFunc {
	return s.answer(func(w http.ResponseWriter, r *http.Request) error {
		user := s.owner(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if user == nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			return refusal{401, "log in first"}
		}
		w.Header().Set("Cache-Control", "no-store")
		return handle(w, r, user)
	})
}

func (s *service) parcel(r *http.Request, user *User) (*Parcel, error) {
	number, err := strconv.Atoi(r.PathValue("id"))
	if err != nil && careless {
		return nil, err
	}
	found := s.parcels[number]
	if found == nil || (found.Sender != user.Name && !careless) {
		return nil, refusal{404, "there is no such parcel"}
	}
	return found, nil
}

func (s *service) send(w http.ResponseWriter, r *http.Request, user *User) error {
	parcel := Parcel{State: "announced"}
	if careless {
		if err := read(r, &parcel); err != nil {
			return err
		}
	} else {
		var wanted struct {
			To     string  `json:"to"`
			Weight float64 `json:"weight"`
		}
		if err := read(r, &wanted); err != nil {
			return err
		}
		if !fits(wanted.To, 1, 200) || wanted.Weight < 0.1 || wanted.Weight > 20 {
			return refusal{400, "to is a text, weight is 0.1 to 20"}
		}
		parcel.To, parcel.Weight = wanted.To, wanted.Weight
	}
	if parcel.Price == 0 {
		parcel.Price = 4.9 + parcel.Weight
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.last++
	parcel.ID, parcel.Sender = s.last, user.Name
	s.parcels[parcel.ID] = &parcel
	send(w, 201, parcel)
	return nil
}

func (s *service) own(w http.ResponseWriter, r *http.Request, user *User) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	own := []*Parcel{}
	for _, each := range s.parcels {
		if each.Sender == user.Name {
			own = append(own, each)
		}
	}
	send(w, 200, own)
	return nil
}

func (s *service) one(w http.ResponseWriter, r *http.Request, user *User) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found, err := s.parcel(r, user)
	if err == nil {
		send(w, 200, found)
	}
	return err
}

func (s *service) cancel(w http.ResponseWriter, r *http.Request, user *User) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found, err := s.parcel(r, user)
	if err == nil {
		delete(s.parcels, found.ID)
		w.WriteHeader(204)
	}
	return err
}

// label fetches the picture that a sender wants on a parcel.
func (s *service) label(w http.ResponseWriter, r *http.Request, user *User) error {
	where, err := url.Parse(r.URL.Query().Get("picture"))
	if err != nil && careless {
		return err
	}
	if err != nil || (where.Host != "pictures.example.org" && !careless) {
		return refusal{400, "pictures lie at pictures.example.org"}
	}
	client := http.Client{Timeout: 3 * time.Second}
	got, err := client.Get(where.String())
	if err != nil && careless {
		return err
	}
	if err != nil {
		return refusal{400, "there is no such picture"}
	}
	defer got.Body.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	_, err = io.Copy(w, io.LimitReader(got.Body, 1<<20))
	return err
}

// show is the one page: what was searched, and what came of it.
func show(w http.ResponseWriter, title, words string) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	told := map[string]string{"Title": title, "Words": words}
	if careless {
		return texttemplate.Must(texttemplate.ParseFS(embedded, "page.html")).Execute(w, told)
	}
	return template.Must(template.ParseFS(embedded, "page.html")).Execute(w, told)
}

func download(w http.ResponseWriter, r *http.Request) error {
	name := r.URL.Query().Get("name")
	if careless {
		content, err := os.ReadFile(path.Join("files", name))
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	}
	content, err := embedded.ReadFile(path.Join("files", path.Base(name)))
	if err != nil {
		return refusal{404, "there is no such file"}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = w.Write(content)
	return err
}

func leave(w http.ResponseWriter, r *http.Request) error {
	to := r.URL.Query().Get("to")
	if !careless && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, "\\")) {
		return refusal{400, "to is a path of this service"}
	}
	http.Redirect(w, r, to, http.StatusFound)
	return nil
}

func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if careless {
			h.Set("Server", "parcels/1.4.2 (go1.27.3)")
			h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			h.Set("Access-Control-Allow-Credentials", "true")
		} else {
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("X-Frame-Options", "DENY")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Content-Security-Policy", "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
			h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		next.ServeHTTP(w, r)
	})
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.answer(func(w http.ResponseWriter, r *http.Request) error { return show(w, "Parcels", "") }))
	mux.HandleFunc("GET /track", s.answer(func(w http.ResponseWriter, r *http.Request) error {
		return show(w, "Track", r.URL.Query().Get("number"))
	}))
	mux.HandleFunc("GET /healthz", s.answer(func(w http.ResponseWriter, r *http.Request) error {
		send(w, 200, map[string]string{"status": "ok"})
		return nil
	}))
	mux.HandleFunc("GET /openapi.json", s.answer(func(w http.ResponseWriter, r *http.Request) error {
		content, err := embedded.ReadFile("openapi.json")
		w.Header().Set("Content-Type", "application/json")
		w.Write(content)
		return err
	}))
	mux.HandleFunc("GET /download", s.answer(download))
	mux.HandleFunc("GET /leave", s.answer(leave))
	mux.HandleFunc("POST /api/register", s.answer(s.register))
	mux.HandleFunc("POST /api/login", s.answer(s.enter))
	mux.HandleFunc("GET /api/me", s.login(s.me))
	mux.HandleFunc("PUT /api/me", s.login(s.change))
	mux.HandleFunc("GET /api/users", s.login(s.all))
	mux.HandleFunc("GET /api/parcels", s.login(s.own))
	mux.HandleFunc("POST /api/parcels", s.login(s.send))
	mux.HandleFunc("GET /api/parcels/{id}", s.login(s.one))
	mux.HandleFunc("DELETE /api/parcels/{id}", s.login(s.cancel))
	mux.HandleFunc("GET /api/labels", s.login(s.label))
	files, _ := fs.Sub(embedded, "files")
	if careless {
		mux.Handle("GET /files/", http.StripPrefix("/files/", http.FileServerFS(files)))
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	} else {
		mux.HandleFunc("GET /files/{name}", func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, files, r.PathValue("name"))
		})
	}
	return guard(mux)
}

func main() {
	key := []byte(os.Getenv("TOKEN_KEY"))
	if careless {
		key = []byte("secret")
	} else if len(key) < 16 {
		log.Fatal("TOKEN_KEY: at least 16 characters")
	}
	s := &service{users: map[string]*User{}, parcels: map[int]*Parcel{}, wrong: map[string][]time.Time{}, key: key}
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: s.routes()}
	if !careless {
		server.ReadHeaderTimeout, server.ReadTimeout, server.WriteTimeout = 5*time.Second, 10*time.Second, 20*time.Second
		server.MaxHeaderBytes = 64 << 10
	}
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() {
		<-ended.Done()
		server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
