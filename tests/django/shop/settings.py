"""A small shop whose chat is purser. Whatever differs from machine to machine comes from the environment."""

import os
from pathlib import Path

import pymysql

# A client for MariaDB without a compiler; mysqlclient needs no such line.
pymysql.install_as_MySQLdb()

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["shop.example"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "chat",
    "shop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def mariadb(url):
    """USER:PASSWORD@HOST:PORT/NAME as Django wants it."""
    account, place = url.rsplit("@", 1)
    user, password = account.split(":", 1)
    host, name = place.split("/", 1)
    host, port = host.split(":", 1)
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": name,
        "USER": user,
        "PASSWORD": password,
        "HOST": host,
        "PORT": port,
        "OPTIONS": {"charset": "utf8mb4"},
    }


DATABASES = {"default": mariadb(os.environ["SHOP_DATABASE"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "Europe/London"

if "CHAT_DATABASE" in os.environ:
    DATABASES["purser"] = mariadb(os.environ["CHAT_DATABASE"])
    DATABASE_ROUTERS = ["chat.router.ChatRouter"]
if "CHAT_FILE" in os.environ:
    DATABASES["purser"] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"file:{os.environ['CHAT_FILE']}?mode=ro",
        "OPTIONS": {"uri": True},
    }
    DATABASE_ROUTERS = ["chat.router.ChatRouter"]

STATIC_URL = "static/"
STATIC_ROOT = os.environ.get("STATIC_ROOT", BASE_DIR / "collected")

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

# TLS ends at nginx, which says so in this header.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

PURSER_URL = os.environ["PURSER_URL"]
PURSER_KEY_ID = "2026-11"
PURSER_KEY = os.environ["PURSER_KEY"]
# Where Django itself reaches purser.
PURSER_INTERNAL_URL = os.environ.get("PURSER_INTERNAL_URL", PURSER_URL)
